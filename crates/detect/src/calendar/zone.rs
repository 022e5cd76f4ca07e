use std::fmt;
use std::sync::Arc;

use forecall_types::Fingerprint;
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

use super::UNTIL_SECOND;

/// A stretch of time is 2 to this many seconds long, twelve days: hardly any holds more than one change of clocks.
const STRETCH_BITS: u32 = 20;

/// A time zone by its IANA name, as a table of the changes of its clocks from 1970 to 2100; outside, the first and the last
/// offset hold. The database is the one built into the program, never the machine's.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    name: Arc<str>,
    table: Arc<Table>,
}

#[derive(PartialEq, Eq)]
struct Table {
    /// In order of time; the first holds from ever.
    changes: Box<[Change]>,
    /// By stretch of time since 1970: the last change before it begins, so that a look-up costs the same at any time.
    stretches: Box<[u16]>,
}

/// From this second on the clocks are so many seconds ahead of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    from: i64,
    offset: i32,
}

/// The name is in no time-zone database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time zone; a name such as Asia/Tehran is")]
pub struct NotAZone(String);

impl Zone {
    /// By its IANA name.
    ///
    /// # Errors
    /// [`NotAZone`].
    pub fn new(name: &str) -> Result<Self, NotAZone> {
        let zone = TimeZoneDatabase::bundled()
            .get(name)
            .map_err(|_| NotAZone(name.chars().take(64).collect()))?;
        Ok(Self {
            name: Arc::from(name),
            table: Arc::new(Table::of(&zone)),
        })
    }

    /// Its name, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the clocks there show at a second since 1970 UTC, as seconds since 1970 without any zone.
    pub fn local(&self, second: i64) -> i64 {
        second.saturating_add(i64::from(self.table.offset(second)))
    }
}

impl Table {
    fn of(zone: &TimeZone) -> Self {
        let first = Change {
            from: i64::MIN,
            offset: zone.to_offset(Timestamp::UNIX_EPOCH).seconds(),
        };
        let mut changes = vec![first];
        for transition in zone.following(Timestamp::UNIX_EPOCH) {
            let (from, offset) = (transition.timestamp().as_second(), transition.offset().seconds());
            if from >= UNTIL_SECOND {
                break;
            }
            // Names and laws change too, without the clocks.
            if changes.last().is_some_and(|last| last.offset != offset) {
                changes.push(Change { from, offset });
            }
        }
        let stretches = (0..=UNTIL_SECOND >> STRETCH_BITS).map(|stretch| {
            let before = changes.partition_point(|change| change.from <= stretch << STRETCH_BITS);
            u16::try_from(before.saturating_sub(1)).unwrap_or(u16::MAX)
        });
        Self {
            stretches: stretches.collect(),
            changes: changes.into_boxed_slice(),
        }
    }

    fn offset(&self, second: i64) -> i32 {
        let stretch = usize::try_from(second >> STRETCH_BITS).unwrap_or(0);
        let known = self.stretches.get(stretch).or_else(|| self.stretches.last());
        let mut place = usize::from(known.copied().unwrap_or(0));
        while self
            .changes
            .get(place + 1)
            .is_some_and(|next| next.from <= second)
        {
            place += 1;
        }
        self.changes.get(place).map_or(0, |change| change.offset)
    }
}

/// Another database may know other changes under the same name: they tell in a digest of settings.
impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::new();
        for change in &self.table.changes {
            bytes.extend_from_slice(&change.from.to_le_bytes());
            bytes.extend_from_slice(&change.offset.to_le_bytes());
        }
        write!(f, "{} ({})", self.name, Fingerprint::of(&bytes))
    }
}

impl TryFrom<String> for Zone {
    type Error = NotAZone;
    fn try_from(name: String) -> Result<Self, NotAZone> {
        Self::new(&name)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn civil(zone: &str, at: &str) -> String {
        let second = at.parse::<Timestamp>().unwrap().as_second();
        let local = Zone::new(zone).unwrap().local(second);
        Timestamp::from_second(local)
            .unwrap()
            .to_string()
            .replace('Z', "")
    }

    /// The law's own words: EU directive 2000/84/EC, clocks change at 01:00 UTC of the last Sunday of March and October;
    /// Iran's Parliament ended summer time in 2022 (tzdb 2022b), the last one ended on 2022-09-21 at 24:00.
    #[test]
    fn clocks_change_when_the_law_says() {
        for (zone, at, local) in [
            ("Europe/Berlin", "2026-03-29T00:59:59Z", "2026-03-29T01:59:59"),
            ("Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00"),
            ("Europe/Berlin", "2026-10-25T00:59:59Z", "2026-10-25T02:59:59"),
            ("Europe/Berlin", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00"),
            ("Asia/Tehran", "2022-09-21T19:29:59Z", "2022-09-21T23:59:59"),
            ("Asia/Tehran", "2022-09-21T19:30:00Z", "2022-09-21T23:00:00"),
            ("Asia/Tehran", "2023-07-01T00:00:00Z", "2023-07-01T03:30:00"),
            ("Asia/Tehran", "2026-03-21T20:30:00Z", "2026-03-22T00:00:00"),
            ("Asia/Tehran", "2021-07-01T00:00:00Z", "2021-07-01T04:30:00"),
            ("Asia/Kathmandu", "2026-01-01T00:00:00Z", "2026-01-01T05:45:00"),
            ("UTC", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00"),
        ] {
            assert_eq!(civil(zone, at), local, "{zone} {at}");
        }
    }

    #[test]
    fn names_that_are_none_are_refused_and_other_tables_show() {
        assert_eq!(
            Zone::new("Asia/Teheran").unwrap_err().to_string(),
            "`Asia/Teheran` is not a time zone; a name such as Asia/Tehran is"
        );
        let (one, mut other) = (Zone::new("UTC").unwrap(), Zone::new("Asia/Tehran").unwrap());
        other.name = Arc::from("UTC");
        assert_ne!(format!("{one:?}"), format!("{other:?}"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn the_table_says_what_the_database_says(
            second in 0..UNTIL_SECOND,
            name in prop::sample::select(vec![
                "Europe/Berlin", "Asia/Tehran", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kabul",
                "America/St_Johns", "Africa/El_Aaiun", "Pacific/Apia", "Europe/Moscow", "Asia/Gaza",
            ]),
        ) {
            let zone = Zone::new(name).unwrap();
            let wanted = TimeZoneDatabase::bundled().get(name).unwrap();
            // Where the clocks change, too.
            let changes = zone.table.changes.iter().map(|c| c.from).filter(|from| *from > 0);
            let near = changes.min_by_key(|from| from.abs_diff(second)).unwrap_or(second);
            for at in [second, near - 1, near, near + 1] {
                let offset = wanted.to_offset(Timestamp::from_second(at).unwrap()).seconds();
                prop_assert_eq!(zone.local(at) - at, i64::from(offset), "{} {}", name, at);
            }
        }
    }
}
