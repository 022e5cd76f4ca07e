//! Fixed amounts of work whose instructions are counted: `cargo xtask bench instructions`.

use anyhow::Result;

use crate::decode::{SMALL, Work, records, stage, work as decode_work};

/// Does the work called `name` on `samples` samples. The records are the same in every run.
pub(crate) fn work(name: &str, samples: u32) -> Result<()> {
    let (kind, how) = match name {
        "flat_json_decode" => ("flat JSON", Work::Decode),
        "flat_json_decode_detect" => ("flat JSON", Work::Detect),
        "otlp_decode" => ("OTLP protobuf", Work::Decode),
        "otlp_decode_detect" => ("OTLP protobuf", Work::Detect),
        other => anyhow::bail!("no work is called `{other}`"),
    };
    let records = records(kind, None, SMALL)?;
    let per_record = if kind == "flat JSON" {
        1
    } else {
        crate::world::OTLP_POINTS
    };
    let count = usize::try_from(samples / per_record)?.min(records.len());
    let (done, _) = decode_work(&records, 0..count, how, &mut stage())?;
    anyhow::ensure!(done == u64::from(samples), "{done} of {samples} samples");
    Ok(())
}
