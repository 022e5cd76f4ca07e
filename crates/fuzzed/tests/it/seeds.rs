//! Seeds that can only be written by the code itself: snapshots and the memories of stages.

use std::sync::Arc;

use forecall_detect::{DetectSettings, DetectStage, RekeySettings, RekeyStage};
use forecall_incident::{CorrelateParts, CorrelateSettings, CorrelateStage};
use forecall_outreach::{OutreachSettings, OutreachStage};
use forecall_stage::{Checkpoint, Counts, Digest, Snapshot, SnapshotHeader, Stage};
use forecall_types::{DomainName, Fingerprint, SourcePartition};

fn source() -> SourcePartition {
    SourcePartition {
        topic: Arc::from("t"),
        partition: 0,
    }
}

#[test]
#[ignore = "writes fuzz/seeds/{memory,snapshot}: to be run after a stage's memory has another shape"]
fn write_them() {
    let memories = [
        RekeyStage::new(
            Arc::new(RekeySettings::default()),
            source(),
            DomainName::new("d").unwrap(),
        )
        .save(),
        DetectStage::new(Arc::new(DetectSettings::default()), source()).save(),
        CorrelateStage::new(Arc::new(
            CorrelateSettings::new(CorrelateParts::default()).unwrap(),
        ))
        .save(),
        OutreachStage::new(Arc::new(OutreachSettings::default())).save(),
    ];
    for ((n, name), memory) in (0_u8..)
        .zip(["rekey", "detect", "correlate", "outreach"])
        .zip(memories)
    {
        let memory = memory.unwrap();
        let path = super::fuzz().join(format!("seeds/memory/{name}.bin"));
        std::fs::write(path, [&[n], memory.as_slice()].concat()).unwrap();
        let header = SnapshotHeader {
            stage: name.to_owned(),
            topic: "t".to_owned(),
            partition: 0,
            next_offset: 7,
            checkpoint: Checkpoint {
                version: 1,
                settings: Fingerprint::of(b"s"),
                digest: Digest::default(),
                counts: Counts::default(),
            },
        };
        let snapshot = Snapshot {
            header,
            state: memory,
        };
        let path = super::fuzz().join(format!("seeds/snapshot/{name}.bin"));
        std::fs::write(path, snapshot.encode().unwrap()).unwrap();
    }
}
