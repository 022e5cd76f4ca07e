use std::collections::BTreeSet;

use forecall_types::{IncidentKind, RegionCode, Scope, ServiceName, Severity};
use serde::{Deserialize, Serialize};

use crate::settings::{CorrelateSettings, CustomerTable};
use crate::{ServiceKind, Topology};

/// The smallest scope: one customer-facing service in one region. At most one open incident holds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Pair {
    pub(crate) region: RegionCode,
    pub(crate) service: ServiceName,
}

/// All pairs of a scope.
pub(crate) fn pairs_of(scope: &Scope) -> BTreeSet<Pair> {
    scope
        .regions
        .iter()
        .flat_map(|region| {
            scope.services.iter().map(|service| Pair {
                region: region.clone(),
                service: service.clone(),
            })
        })
        .collect()
}

/// Customers expected to be hit: per region the largest of its services (one customer has several), summed over the
/// regions. A region without an entry counts the sum of the regions declared below it. `None`: the table knows none of them.
pub fn estimate_customers(
    topology: &Topology,
    table: &CustomerTable,
    services: &BTreeSet<ServiceName>,
    regions: &BTreeSet<RegionCode>,
) -> Option<u64> {
    let own = |region: &RegionCode| {
        table
            .get(region)
            .and_then(|by| services.iter().filter_map(|s| by.get(s)).max())
    };
    let mut known = false;
    let mut sum = 0_u64;
    for region in regions {
        // A district within a region that is named as well is counted with that region.
        if topology.ancestors(region).iter().any(|a| regions.contains(a)) {
            continue;
        }
        if let Some(count) = own(region) {
            known = true;
            sum = sum.saturating_add(*count);
            continue;
        }
        for (below, _) in topology.regions() {
            let above = topology.ancestors(below);
            // The highest entries only: no entry between it and the region.
            let within = above
                .iter()
                .take_while(|a| *a != region)
                .all(|a| own(a).is_none());
            if let (true, true, Some(count)) = (above.contains(region), within, own(below)) {
                known = true;
                sum = sum.saturating_add(*count);
            }
        }
    }
    known.then_some(sum)
}

/// How bad it is: by kind, then by what hangs on the service and by how many are hit.
pub(crate) fn severity(
    settings: &CorrelateSettings,
    scope: &Scope,
    kind: IncidentKind,
    felt: bool,
) -> Severity {
    let t = &settings.tunables;
    let customers = scope.customers_estimated.unwrap_or(0);
    let vital = scope.services.iter().any(|s| match settings.topology.kind(s) {
        ServiceKind::General => false,
        ServiceKind::Emergency | ServiceKind::Health => true,
    });
    let regions = u64::try_from(scope.regions.len()).unwrap_or(u64::MAX);
    match kind {
        IncidentKind::Outage => {
            if vital || customers >= t.extreme_customers || regions >= t.extreme_regions {
                Severity::Extreme
            } else {
                Severity::Severe
            }
        }
        IncidentKind::Degradation | IncidentKind::Planned => {
            if vital || customers >= t.severe_customers {
                Severity::Severe
            } else if felt {
                Severity::Moderate
            } else {
                Severity::Minor
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RegionEntry, TopologyFile};
    use std::collections::BTreeMap;

    #[test]
    fn customers_are_counted_once() {
        let entry = |code: &str, parent: Option<&str>| RegionEntry {
            code: code.into(),
            parent: parent.map(Into::into),
            names: BTreeMap::from([("en".into(), code.into())]),
            short: BTreeMap::new(),
            time_zone: String::new(),
        };
        let topology = Topology::check(&TopologyFile {
            regions: vec![
                entry("IR", None),
                entry("IR-10", Some("IR")),
                entry("IR-23", Some("IR")),
                entry("IR-23-1", Some("IR-23")),
            ],
            ..TopologyFile::default()
        })
        .unwrap();
        let service = |name: &str| ServiceName::new(name).unwrap();
        let region = |code: &str| RegionCode::new(code).unwrap();
        let table = CustomerTable::from([
            (
                region("IR-10"),
                BTreeMap::from([(service("internet"), 500), (service("tv"), 200)]),
            ),
            (region("IR-23"), BTreeMap::from([(service("internet"), 900)])),
            (region("IR-23-1"), BTreeMap::from([(service("internet"), 100)])),
        ]);
        let count = |services: &[&str], regions: &[&str]| {
            estimate_customers(
                &topology,
                &table,
                &services.iter().map(|s| service(s)).collect(),
                &regions.iter().map(|r| region(r)).collect(),
            )
        };
        assert_eq!(count(&["internet", "tv"], &["IR-10"]), Some(500), "not 700");
        assert_eq!(count(&["internet"], &["IR-23", "IR-23-1"]), Some(900), "not 1000");
        assert_eq!(
            count(&["internet"], &["IR"]),
            Some(1_400),
            "the sum of those below"
        );
        assert_eq!(count(&["voice"], &["IR-10"]), None);
    }
}
