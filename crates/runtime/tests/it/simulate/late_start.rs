//! A first start with a backlog, pauses, and a topic that grows: no sample is late for it, and nothing that would have been told
//! in time is lost.

use forecall_config::Settings;
use forecall_sim::fault::Dice;

use super::difference::same;
use super::house::{World, settings_with};
use super::house_input::{Chunk, RAW, START, TELEMETRY, chunks};
use super::house_read::{SAMPLES, bare, refused, told};

/// Chunks after which the processes stop: before anything has gone wrong in what is measured.
const STOP: usize = 55;

/// The stages as in the other scenarios, but sources are idle between two chunks.
fn settings(missing_seconds: u32) -> Settings {
    settings_idle_after(20, missing_seconds)
}

fn settings_idle_after(seconds: u32, missing_seconds: u32) -> Settings {
    settings_with(&[
        ("idle_seconds: 600", &format!("idle_seconds: {seconds}")),
        (
            "heartbeat_missing_seconds: 86400",
            &format!("heartbeat_missing_seconds: {missing_seconds}"),
        ),
    ])
}

fn neat() -> Vec<Chunk> {
    chunks(&mut Dice::new(1), true)
}

/// Nothing was refused, and the same was found and told as by processes that were always up.
fn check(settings: &Settings, world: &World, chunks: &[Chunk]) {
    let reference = World::undisturbed(settings, chunks).unwrap();
    for topic in [TELEMETRY, SAMPLES] {
        assert_eq!(refused(settings, world.log(), topic), 0, "{topic}");
    }
    for topic in [TELEMETRY, RAW] {
        let wanted = bare(reference.log(), topic);
        assert!(!wanted.is_empty(), "{topic} tries nothing");
        same(topic, &bare(world.log(), topic), &wanted).unwrap();
    }
    let wanted = told(reference.log());
    let predicted = wanted.iter().filter(|t| t.contains("Predicted")).count();
    assert!(predicted > 0, "nothing is predicted: {wanted:#?}");
    same("incidents", &told(world.log()), &wanted).unwrap();
}

#[test]
fn a_first_start_with_a_backlog_makes_nothing_late() {
    let (settings, chunks) = (settings(120), neat());
    for batch in [1, 100, 10_000] {
        let world = World::new(&settings, Dice::new(0), (1, 1));
        world.fleet.log.gather_at_most(batch);
        for chunk in &chunks {
            world.write(chunk);
        }
        world.fleet.calm();
        world.fleet.settle();
        world.finish(chunks.last().unwrap().at).unwrap();
        check(&settings, &world, &chunks);
    }
}

/// Stops the processes of these slots after [`STOP`] chunks, when every source is idle, for `pause` chunks.
fn paused(settings: &Settings, chunks: &[Chunk], slots: &[usize], pause: usize) -> World {
    let world = World::new(settings, Dice::new(0), (1, 1));
    world.fleet.log.gather_at_most(10);
    world.fleet.calm();
    for (number, chunk) in chunks.iter().enumerate() {
        world.write(chunk);
        world.fleet.settle();
        if number == STOP {
            world.at(chunk.at + 25);
            world.fleet.settle();
            slots.iter().for_each(|slot| world.fleet.stop(*slot));
        }
        if number == STOP + pause {
            slots.iter().for_each(|slot| world.fleet.start_if_down(*slot));
            world.fleet.settle();
        }
    }
    world.finish(chunks.last().map_or(START, |c| c.at)).unwrap();
    world
}

#[test]
fn a_pause_of_all_makes_nothing_late_and_loses_no_prediction() {
    let (settings, chunks) = (settings(120), neat());
    let world = paused(&settings, &chunks, &[0, 1], 60);
    check(&settings, &world, &chunks);
}

#[test]
fn a_pause_of_the_readers_makes_nothing_late_and_loses_no_prediction() {
    // Up to the time after which a heartbeat is missed.
    let (settings, chunks) = (settings(3_600), neat());
    let world = paused(&settings, &chunks, &[0], 60);
    check(&settings, &world, &chunks);
}

#[test]
fn a_topic_that_grows_makes_nothing_late() {
    // Longer than from chunk to chunk: a host that doesn't look for so long takes no silence for one.
    let (settings, mut chunks) = (settings_idle_after(60, 3_600), neat());
    // From there on the first of its partitions is the new one's.
    let (grown, new) = (40, super::house_input::PARTITIONS);
    for chunk in chunks.iter_mut().skip(grown) {
        for record in &mut chunk.records {
            if *record.topic == *RAW && record.partition == Some(0) {
                record.partition = Some(new);
            }
        }
    }
    let world = World::new(&settings, Dice::new(0), (1, 1));
    world.fleet.log.gather_at_most(10);
    world.fleet.calm();
    for (number, chunk) in chunks.iter().enumerate() {
        if number == grown {
            world.log().grow(RAW, new + 1);
        }
        world.write(chunk);
        world.fleet.settle();
    }
    world.finish(chunks.last().unwrap().at).unwrap();
    check(&settings, &world, &neat());
}
