//! The same input gives the same bytes, however it is cut into batches and shared among processes; and disorder within
//! the lateness, doubles, and a record from the far future change nothing that is published but where its records stood.

use forecall_sim::fault::Dice;

use super::difference::same;
use super::house::{World, settings};
use super::house_check::compare;
use super::house_input::{RAW, TELEMETRY, chunks};
use super::house_read::{bare, told};

#[test]
fn batches_and_processes_change_no_byte() {
    let settings = settings();
    for seed in 0..2 {
        let chunks = chunks(&mut Dice::new(seed), false);
        let reference = World::undisturbed(&settings, &chunks).unwrap();
        for (processes, batch) in [(1, 1), (2, 7), (3, 5_000), (3, 1)] {
            let world = World::quiet(&settings, &chunks, (processes, processes), batch).unwrap();
            compare(&settings, world.log(), reference.log())
                .unwrap_or_else(|e| panic!("seed {seed}, {processes} processes, batches of {batch}: {e}"));
        }
    }
}

#[test]
fn disorder_changes_nothing_that_is_published() {
    let settings = settings();
    for seed in 0..6 {
        let run = |is_neat| {
            let chunks = chunks(&mut Dice::new(seed), is_neat);
            World::undisturbed(&settings, &chunks).unwrap()
        };
        let (neat, disorderly) = (run(true), run(false));
        for topic in [TELEMETRY, RAW] {
            let wanted = bare(neat.log(), topic);
            assert!(!wanted.is_empty(), "seed {seed}: {topic} tries nothing");
            same(topic, &bare(disorderly.log(), topic), &wanted)
                .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        }
        same("incidents", &told(disorderly.log()), &told(neat.log()))
            .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    }
}
