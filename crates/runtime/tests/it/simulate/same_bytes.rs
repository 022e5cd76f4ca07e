//! The same input gives the same bytes, however it is cut into batches and shared among processes; and disorder within
//! the lateness, doubles, and a record from the far future change nothing that is published but where its records stood.

use forecall_sim::fault::Dice;

use super::difference::same;
use super::house::{World, settings, settings_with};
use super::house_check::compare;
use super::house_input::{RAW, TELEMETRY, chunks, chunks_on};
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
fn one_two_or_eight_partitions_a_process_change_no_byte() {
    let settings = settings_with(&[("topics: { partitions: 2,", "topics: { partitions: 8,")]);
    let chunks = chunks_on(8, &mut Dice::new(3), false);
    let reference = World::undisturbed(&settings, &chunks).unwrap();
    for (processes, batch) in [(8, 1), (4, 100), (1, 10_000)] {
        let world = World::quiet(&settings, &chunks, (processes, processes), batch).unwrap();
        compare(&settings, world.log(), reference.log())
            .unwrap_or_else(|e| panic!("{processes} processes, batches of {batch}: {e}"));
    }
}

/// Each time another turn is the last one of its process, which comes again with what it had committed and saved.
#[test]
fn a_kill_at_any_point_changes_no_byte() {
    let settings = settings();
    let chunks = chunks(&mut Dice::new(4), false);
    let reference = World::undisturbed(&settings, &chunks).unwrap();
    for offset in 0..7 {
        let world = World::killed(&settings, &chunks, 7, offset).unwrap();
        compare(&settings, world.log(), reference.log())
            .unwrap_or_else(|e| panic!("killed at every seventh turn from {offset}: {e}"));
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
