use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forecall_types::{ElementId, RegionCode, Responsibility, SeriesKey, ServiceName, fits};

use crate::known::Said;
use crate::topology_file::{
    RegionEntry, RuleEntry, ServiceEntry, ServiceKind, ServiceResponsibility, TopologyError, TopologyFile,
};

/// Services in one topology: a national operator has hundreds; more is a generated mistake.
pub const SERVICES_MAX: usize = 4_096;
/// Regions in one topology: provinces, cities and districts of a large country.
pub const REGIONS_MAX: usize = 16_384;
/// Rules in one topology; each anomaly is tried against them in order.
pub const RULES_MAX: usize = 1_024;
/// Steps walked up `depends_on`: real chains are shorter than ten; a circle ends here too.
pub const DEPENDENCY_STEPS_MAX: usize = 16;
/// UTF-16 units of a region's short name: what a one-part SMS in Persian leaves for the area.
pub const SHORT_NAME_UNITS_MAX: usize = 13;

/// Labels that name a region, in the order they are asked.
const REGION_LABELS: [&str; 4] = ["forecall.region", "geo.region.iso_code", "region", "cloud.region"];
/// The label that names a service (OpenTelemetry semantic conventions).
const SERVICE_LABEL: &str = "service.name";

/// A region as declared and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionInfo {
    /// The region that holds it.
    pub parent: Option<RegionCode>,
    /// Name by language.
    pub names: BTreeMap<String, String>,
    /// Short name by language, where one was given.
    pub short: BTreeMap<String, String>,
    /// IANA time zone: its own or the nearest ancestor's; empty when none is declared.
    pub time_zone: Arc<str>,
}

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    labels: Vec<(String, String)>,
    service: Option<ServiceName>,
    service_label: Option<String>,
    region: Option<RegionCode>,
    region_label: Option<String>,
    elements: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Service {
    customer_facing: bool,
    kind: ServiceKind,
    responsibility: ServiceResponsibility,
    /// Who needs it directly.
    needed_by: BTreeSet<ServiceName>,
}

/// Where an entity belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its service.
    pub service: ServiceName,
    /// Its region.
    pub region: RegionCode,
    /// The elements it is.
    pub elements: BTreeSet<ElementId>,
}

/// Services, regions and rules, checked. The default one declares nothing and takes labels as they stand.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Topology {
    services: BTreeMap<ServiceName, Service>,
    /// Services are declared: no other is known. Else any name is, and is a service that customers use unless another is seen to
    /// need it.
    is_closed: bool,
    regions: Arc<BTreeMap<RegionCode, RegionInfo>>,
    rules: Arc<[Rule]>,
}

fn service_name(owner: &str, name: &str) -> Result<ServiceName, TopologyError> {
    ServiceName::new(name).map_err(|source| TopologyError::Name {
        owner: owner.to_owned(),
        source,
    })
}

fn region_code(owner: &str, code: &str) -> Result<RegionCode, TopologyError> {
    RegionCode::new(code).map_err(|source| TopologyError::Name {
        owner: owner.to_owned(),
        source,
    })
}

fn bounded(what: &'static str, count: usize, max: usize) -> Result<(), TopologyError> {
    if count > max {
        return Err(TopologyError::TooMany { what, count, max });
    }
    Ok(())
}

impl Topology {
    /// Checks a topology as written.
    ///
    /// # Errors
    /// [`TopologyError`], which names the entry: unknown or doubled names, circles of regions, short names too long.
    pub fn check(file: &TopologyFile) -> Result<Self, TopologyError> {
        bounded("services", file.services.len(), SERVICES_MAX)?;
        bounded("regions", file.regions.len(), REGIONS_MAX)?;
        bounded("rules", file.rules.len(), RULES_MAX)?;
        let mut topology = Self {
            is_closed: !file.services.is_empty(),
            ..Self::default()
        };
        topology.add_services(&file.services)?;
        topology.regions = Arc::new(checked_regions(&file.regions)?);
        let rules = file.rules.iter().enumerate();
        let rules = rules.map(|(i, rule)| topology.checked_rule(&format!("rule {}", i + 1), rule));
        topology.rules = rules.collect::<Result<_, _>>()?;
        Ok(topology)
    }

    fn add_services(&mut self, entries: &[ServiceEntry]) -> Result<(), TopologyError> {
        for entry in entries {
            let name = service_name("services", &entry.name)?;
            let service = Service {
                responsibility: entry.responsibility,
                customer_facing: entry.customer_facing,
                kind: entry.kind,
                needed_by: BTreeSet::new(),
            };
            if self.services.insert(name, service).is_some() {
                return Err(TopologyError::Twice {
                    what: "service",
                    name: entry.name.clone(),
                });
            }
        }
        for entry in entries {
            let owner = format!("service `{}`", entry.name);
            let name = service_name(&owner, &entry.name)?;
            for needed in &entry.depends_on {
                let needed = service_name(&owner, needed)?;
                match self.services.get_mut(&needed) {
                    Some(service) => service.needed_by.insert(name.clone()),
                    None => return Err(unknown(&owner, "service", needed.as_str())),
                };
            }
        }
        Ok(())
    }

    fn checked_rule(&self, owner: &str, entry: &RuleEntry) -> Result<Rule, TopologyError> {
        let service = entry
            .service
            .as_deref()
            .map(|s| service_name(owner, s))
            .transpose()?;
        let region = entry
            .region
            .as_deref()
            .map(|r| region_code(owner, r))
            .transpose()?;
        if let Some(service) = &service
            && !self.knows_service(service)
        {
            return Err(unknown(owner, "service", service.as_str()));
        }
        if let Some(region) = &region
            && !self.knows_region(region)
        {
            return Err(unknown(owner, "region", region.as_str()));
        }
        Ok(Rule {
            labels: entry
                .r#match
                .iter()
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect(),
            service,
            service_label: entry.service_label.clone(),
            region,
            region_label: entry.region_label.clone(),
            elements: entry.elements.clone(),
        })
    }

    /// Whether incidents may name this service.
    pub fn knows_service(&self, service: &ServiceName) -> bool {
        !self.is_closed || self.services.contains_key(service)
    }

    /// Whether incidents may name this region.
    pub fn knows_region(&self, region: &RegionCode) -> bool {
        self.regions.is_empty() || self.regions.contains_key(region)
    }

    /// A declared region.
    pub fn region(&self, code: &RegionCode) -> Option<&RegionInfo> {
        self.regions.get(code)
    }

    /// The declared regions, by code.
    pub fn regions(&self) -> impl Iterator<Item = (&RegionCode, &RegionInfo)> {
        self.regions.iter()
    }

    /// The services that customers use by name.
    pub fn customer_facing(&self) -> impl Iterator<Item = &ServiceName> {
        self.services
            .iter()
            .filter(|(_, s)| s.customer_facing)
            .map(|(n, _)| n)
    }

    /// What hangs on a service.
    pub fn kind(&self, service: &ServiceName) -> ServiceKind {
        self.services.get(service).map(|s| s.kind).unwrap_or_default()
    }

    /// Who answers where the service or element of this name is the cause, as declared.
    pub fn responsibility(&self, name: &str) -> Responsibility {
        let service = ServiceName::new(name).ok().and_then(|n| self.services.get(&n));
        service.map(|s| s.responsibility.into()).unwrap_or_default()
    }

    /// The regions that hold `code`, nearest first; stops where a circle closes.
    pub fn ancestors(&self, code: &RegionCode) -> Vec<RegionCode> {
        ancestors(&self.regions, code)
    }

    /// Where a series belongs, by the first rule that matches, else by its labels.
    ///
    /// # Errors
    /// In words: which label is missing, or which name isn't declared.
    pub fn place(&self, series: &SeriesKey) -> Result<Place, String> {
        let label = |name: &str| series.resource.get(name).or_else(|| series.labels.get(name));
        let rule = self.rules.iter().find(|rule| {
            rule.labels
                .iter()
                .all(|(name, pattern)| label(name).is_some_and(|v| fits(pattern, v)))
        });
        let service = match rule.and_then(|r| r.service.clone()) {
            Some(service) => service,
            None => {
                let name = rule
                    .and_then(|r| r.service_label.as_deref())
                    .unwrap_or(SERVICE_LABEL);
                let text = label(name).ok_or_else(|| format!("no label {name} and no rule for it"))?;
                ServiceName::new(text).map_err(|_| format!("label {name} is no service name"))?
            }
        };
        if !self.knows_service(&service) {
            return Err(format!("service {service} is not in the topology"));
        }
        let region = match rule.and_then(|r| r.region.clone()) {
            Some(region) => region,
            None => {
                let text = match rule.and_then(|r| r.region_label.as_deref()) {
                    Some(name) => label(name),
                    None => REGION_LABELS.iter().find_map(|name| label(name)),
                }
                .ok_or_else(|| format!("service {service}: no region label and no rule for it"))?;
                RegionCode::new(text)
                    .map_err(|_| format!("service {service}: its region label is no code"))?
            }
        };
        if !self.knows_region(&region) {
            return Err(format!("region {region} is not in the topology"));
        }
        let elements = rule
            .iter()
            .flat_map(|r| &r.elements)
            .filter_map(|name| label(name))
            .filter_map(|value| ElementId::new(value).ok())
            .collect();
        Ok(Place {
            service,
            region,
            elements,
        })
    }

    /// The services that name this one in `depends_on`.
    pub(crate) fn needed_by(&self, service: &ServiceName) -> impl Iterator<Item = &ServiceName> {
        self.services
            .get(service)
            .into_iter()
            .flat_map(|node| &node.needed_by)
    }

    /// The customer-facing services that need `service`, itself included, with the number of steps between.
    pub fn touched(&self, service: &ServiceName) -> BTreeMap<ServiceName, u32> {
        let mut touched = BTreeMap::new();
        if !self.is_closed && !self.services.contains_key(service) {
            touched.insert(service.clone(), 0);
            return touched;
        }
        let mut seen: BTreeSet<&ServiceName> = BTreeSet::from([service]);
        let mut ring: Vec<&ServiceName> = vec![service];
        for steps in 0_u32.. {
            if ring.is_empty() || usize::try_from(steps).is_ok_and(|s| s > DEPENDENCY_STEPS_MAX) {
                break;
            }
            let mut next = Vec::new();
            for name in ring {
                let Some(node) = self.services.get(name) else {
                    continue;
                };
                if node.customer_facing {
                    touched.insert(name.clone(), steps);
                }
                next.extend(node.needed_by.iter().filter(|n| seen.insert(n)));
            }
            ring = next;
        }
        if touched.is_empty() && !self.is_closed {
            // Only services that need each other: each may be what customers use.
            touched.insert(service.clone(), 0);
        }
        touched
    }

    /// With what was said of services beside the settings: it adds services and dependencies, and changes none that are declared.
    pub(crate) fn with<'a, I>(&self, said: impl Fn() -> I) -> Self
    where
        I: Iterator<Item = (&'a ServiceName, &'a Said)>,
    {
        let mut merged = self.clone();
        let declared = |name: &ServiceName| self.services.contains_key(name);
        let mut facing: BTreeMap<ServiceName, bool> = BTreeMap::new();
        for (name, one) in said() {
            merged.services.entry(name.clone()).or_default();
            for needed in &one.depends_on {
                let needed = merged.services.entry(needed.clone()).or_default();
                needed.needed_by.insert(name.clone());
            }
            if declared(name) {
                continue;
            }
            if let Some(is_facing) = one.customer_facing {
                facing.insert(name.clone(), is_facing);
            }
            if let Some(service) = merged.services.get_mut(name)
                && one.responsibility != ServiceResponsibility::Unknown
            {
                service.responsibility = one.responsibility;
            }
        }
        for (name, service) in merged.services.iter_mut().filter(|(name, _)| !declared(name)) {
            let by_need = !self.is_closed && service.needed_by.is_empty();
            service.customer_facing = facing.get(name).copied().unwrap_or(by_need);
        }
        merged
    }
}

fn checked_regions(entries: &[RegionEntry]) -> Result<BTreeMap<RegionCode, RegionInfo>, TopologyError> {
    let mut regions = BTreeMap::new();
    for entry in entries {
        let code = region_code("regions", &entry.code)?;
        check_names(entry)?;
        let info = RegionInfo {
            parent: entry
                .parent
                .as_deref()
                .map(|p| region_code(&format!("region `{code}`"), p))
                .transpose()?,
            names: entry.names.clone(),
            short: entry.short.clone(),
            time_zone: Arc::from(entry.time_zone.as_str()),
        };
        if regions.insert(code.clone(), info).is_some() {
            return Err(TopologyError::Twice {
                what: "region",
                name: code.to_string(),
            });
        }
    }
    let codes: Vec<RegionCode> = regions.keys().cloned().collect();
    for code in &codes {
        if let Some(parent) = regions.get(code).and_then(|r| r.parent.clone())
            && !regions.contains_key(&parent)
        {
            return Err(unknown(&format!("region `{code}`"), "region", parent.as_str()));
        }
    }
    for code in &codes {
        let above = ancestors(&regions, code);
        if above.contains(code) {
            return Err(TopologyError::Circle(code.to_string()));
        }
        let zone = std::iter::once(code)
            .chain(&above)
            .filter_map(|c| regions.get(c))
            .map(|r| Arc::clone(&r.time_zone))
            .find(|zone| !zone.is_empty());
        if let (Some(zone), Some(info)) = (zone, regions.get_mut(code)) {
            info.time_zone = zone;
        }
    }
    Ok(regions)
}

/// The regions that hold `code`, nearest first; stops where a circle closes.
fn ancestors(regions: &BTreeMap<RegionCode, RegionInfo>, code: &RegionCode) -> Vec<RegionCode> {
    let mut above: Vec<RegionCode> = Vec::new();
    let mut at = code;
    while let Some(parent) = regions.get(at).and_then(|r| r.parent.as_ref()) {
        if above.contains(parent) {
            break;
        }
        above.push(parent.clone());
        at = parent;
    }
    above
}

fn unknown(owner: &str, what: &'static str, name: &str) -> TopologyError {
    TopologyError::Unknown {
        owner: owner.to_owned(),
        what,
        name: name.to_owned(),
    }
}

fn check_names(entry: &RegionEntry) -> Result<(), TopologyError> {
    let wrong = |why: String| TopologyError::Region {
        region: entry.code.clone(),
        why,
    };
    if entry.names.is_empty() {
        return Err(wrong("it has no name in any language".into()));
    }
    for (language, short) in &entry.short {
        let units = short.encode_utf16().count();
        if units == 0 || units > SHORT_NAME_UNITS_MAX {
            return Err(wrong(format!(
                "its short name ({language}) has {units} UTF-16 units, 1 to {SHORT_NAME_UNITS_MAX} are allowed"
            )));
        }
    }
    // Persian goes out in 70-unit parts; other languages have the room.
    let long = entry
        .names
        .get("fa")
        .is_some_and(|n| n.encode_utf16().count() > SHORT_NAME_UNITS_MAX);
    if long && !entry.short.contains_key("fa") {
        return Err(wrong(format!(
            "its name (fa) is longer than {SHORT_NAME_UNITS_MAX} UTF-16 units and it has no short one"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use forecall_types::Labels;

    fn service(name: &str, customer_facing: bool, needs: &[&str]) -> ServiceEntry {
        ServiceEntry {
            name: name.into(),
            customer_facing,
            depends_on: needs.iter().map(|&n| n.into()).collect(),
            kind: ServiceKind::General,
            responsibility: ServiceResponsibility::Unknown,
        }
    }

    fn region(code: &str, parent: Option<&str>, fa: &str) -> RegionEntry {
        RegionEntry {
            code: code.into(),
            parent: parent.map(Into::into),
            names: BTreeMap::from([("fa".into(), fa.into())]),
            short: BTreeMap::new(),
            time_zone: if parent.is_none() {
                "Asia/Tehran".into()
            } else {
                String::new()
            },
        }
    }

    fn file() -> TopologyFile {
        TopologyFile {
            services: vec![
                service("internet", true, &["access"]),
                service("tv", true, &["internet"]),
                service("access", false, &["power"]),
                service("power", false, &["access"]),
                service("billing", false, &[]),
            ],
            regions: vec![
                region("IR-23", None, "تهران"),
                region("IR-23-5", Some("IR-23"), "منطقه ۵ تهران"),
            ],
            rules: vec![RuleEntry {
                r#match: BTreeMap::from([("host.name".into(), "bts-*".into())]),
                service: Some("access".into()),
                region_label: Some("area".into()),
                elements: vec!["cell.id".into()],
                ..RuleEntry::default()
            }],
        }
    }

    #[test]
    fn mistakes_are_named() {
        let wrong = |change: &dyn Fn(&mut TopologyFile)| {
            let mut file = file();
            change(&mut file);
            Topology::check(&file).unwrap_err().to_string()
        };
        assert_eq!(
            wrong(&|f| f.services[0].depends_on.push("core".into())),
            "service `internet` names service `core`, which is not declared"
        );
        assert_eq!(
            wrong(&|f| f.services[1].name = "internet".into()),
            "service `internet` is declared twice"
        );
        assert_eq!(
            wrong(&|f| f.regions[0].parent = Some("IR-23-5".into())),
            "region `IR-23` lies in itself by way of its parents"
        );
        assert_eq!(
            wrong(&|f| {
                f.regions[1]
                    .names
                    .insert("fa".into(), "منطقه پنج شهر تهران".into());
            }),
            "region `IR-23-5`: its name (fa) is longer than 13 UTF-16 units and it has no short one"
        );
        assert_eq!(
            wrong(&|f| {
                f.regions[1].short.insert("en".into(), "Tehran District 5".into());
            }),
            "region `IR-23-5`: its short name (en) has 17 UTF-16 units, 1 to 13 are allowed"
        );
        assert_eq!(
            wrong(&|f| f.rules[0].region = Some("IR-99".into())),
            "rule 1 names region `IR-99`, which is not declared"
        );
    }

    #[test]
    fn a_series_finds_its_place() {
        let topology = Topology::check(&file()).unwrap();
        let place = |labels: &[(&str, &str)]| {
            topology.place(&SeriesKey {
                metric: "m".into(),
                unit: "".into(),
                resource: Labels::from_pairs(labels.iter().copied()),
                labels: Labels::default(),
            })
        };
        let by_rule = place(&[("host.name", "bts-7"), ("area", "ir-23-5"), ("cell.id", "c7")]).unwrap();
        assert_eq!(
            (by_rule.service.as_str(), by_rule.region.as_str()),
            ("access", "IR-23-5")
        );
        assert_eq!(by_rule.elements.len(), 1);
        let by_label = place(&[("service.name", "tv"), ("region", "IR-23")]).unwrap();
        assert_eq!(
            (by_label.service.as_str(), by_label.region.as_str()),
            ("tv", "IR-23")
        );
        assert_eq!(
            place(&[("region", "IR-23")]).unwrap_err(),
            "no label service.name and no rule for it"
        );
        assert_eq!(
            place(&[("service.name", "tv"), ("region", "IR-10")]).unwrap_err(),
            "region IR-10 is not in the topology"
        );
        assert_eq!(
            topology.region(&by_rule.region).unwrap().time_zone.as_ref(),
            "Asia/Tehran"
        );
    }

    #[test]
    fn trouble_climbs_to_those_who_need_it_and_circles_end() {
        let topology = Topology::check(&file()).unwrap();
        let touched = |name: &str| {
            topology
                .touched(&ServiceName::new(name).unwrap())
                .into_iter()
                .map(|(n, steps)| format!("{n}:{steps}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(touched("power"), "internet:2 tv:3");
        assert_eq!(touched("internet"), "internet:0 tv:1");
        assert_eq!(touched("tv"), "tv:0");
        assert_eq!(touched("billing"), "");
    }
}
