//! Who hears what is announced.

use forecall_wire::telemetry::Source;

use crate::check::Findings;

/// Sources that `detect` reads directly hear nothing of what `rekey` carries into the partitions of its own topic.
pub(crate) fn heard(sources: &[Source], found: &mut Findings<'_>) {
    let measures = |s: &&Source| s.format.measures();
    for (number, context) in sources.iter().enumerate().filter(|(_, s)| s.format.is_context()) {
        let of_domain = || {
            sources
                .iter()
                .filter(measures)
                .filter(|s| s.domain == context.domain)
        };
        let deaf: Vec<&str> = of_domain().filter(|s| s.keyed).map(|s| &*s.topic).collect();
        let who = if of_domain().all(|s| s.keyed) {
            format!("no source of domain {} hears it", context.domain)
        } else if deaf.is_empty() {
            continue;
        } else {
            format!("topics that are `keyed: true` don't hear it: {}", deaf.join(", "))
        };
        found.warn(
            &format!("sources.{number}.topic"),
            format!(
                "sources: topic `{}` announces, but {who}; `keyed: false` lets them hear it",
                context.topic
            ),
        );
    }
}
