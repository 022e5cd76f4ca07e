use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read;

use csv::ByteRecord;
use forecall_area::Point;
use forecall_types::{
    Cell, ContactChannel, Customer, CustomerId, DomainName, EventTime, Language, PLACE_RESOLUTION_MIN,
    Purpose, RegionCode, SERVED_BY_MAX,
};

use crate::{DirectoryRow, Secret};

/// Rows of one file. Two million people at some 500 B are 1 GiB while it is read.
const ROWS_MAX: u64 = 2_000_000;
/// Bad rows shown; the rest are counted.
const BAD_ROWS_SHOWN: usize = 20;
/// The longest mail address SMTP takes (RFC 5321 §4.5.3.1.3); device tokens and hooks may be longer.
const EMAIL_BYTES_MAX: usize = 254;
/// Far beyond any push token or hook address in use.
const ADDRESS_BYTES_MAX: usize = 2_048;
/// Names longer than this are a broken file.
const NAME_BYTES_MAX: usize = 256;

/// What the file doesn't say itself.
#[derive(Debug, Clone)]
pub struct DirectorySettings {
    /// Whose customers they are.
    pub domain: DomainName,
    /// When this was so.
    pub at: EventTime,
    /// Country code put before national numbers that begin with 0, without plus, such as `98`.
    pub country_code: String,
    /// Resolution of H3 at which places are kept; finer ones are made as coarse.
    pub place_resolution: u8,
}

/// A row that can't be taken. It names column and reason, never what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Line in the file, from 1.
    pub line: u64,
    /// Column by its header.
    pub column: &'static str,
    /// What is wrong.
    pub why: &'static str,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.column, self.why)
    }
}

/// Why a file was refused. Nothing of it is imported.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The header lacks a column.
    #[error("the directory's header has no column `{0}`")]
    MissingColumn(&'static str),
    /// The header has a column nobody knows, or one twice. Its text isn't shown: a file without a header begins with a person.
    #[error("column {0} of the directory's header is unknown or stands there twice")]
    UnknownColumn(usize),
    /// Rows that can't be taken.
    #[error(
        "{bad} rows of the directory can't be taken, nothing was imported:{}",
        list(first)
    )]
    BadRows {
        /// How many.
        bad: u64,
        /// The first of them, at most 20.
        first: Vec<BadRow>,
    },
    /// The file couldn't be read.
    #[error("failed to read the directory")]
    Read(#[source] csv::Error),
    /// More rows than one import takes.
    #[error("the directory has more than {ROWS_MAX} rows: split the file")]
    TooLong,
}

fn list(rows: &[BadRow]) -> String {
    rows.iter().map(|row| format!("\n  {row}")).collect()
}

/// The columns, in the order of [`COLUMNS`].
#[derive(Clone, Copy)]
enum Column {
    Id,
    Region,
    ServedBy,
    Services,
    Language,
    Channels,
    Consents,
    Priority,
    Name,
    Sms,
    Email,
    Push,
    Chat,
    Webhook,
    Place,
    Latitude,
    Longitude,
}

const COLUMNS: [&str; 17] = [
    "id",
    "region",
    "served_by",
    "services",
    "language",
    "channels",
    "consents",
    "priority",
    "name",
    "sms",
    "email",
    "push",
    "chat",
    "webhook",
    "place",
    "latitude",
    "longitude",
];
/// Without these nobody can be told anything.
const REQUIRED: [Column; 3] = [Column::Id, Column::Region, Column::Services];

impl Column {
    fn name(self) -> &'static str {
        COLUMNS.get(self as usize).copied().unwrap_or("?")
    }

    const fn of(channel: ContactChannel) -> Self {
        match channel {
            ContactChannel::Sms => Self::Sms,
            ContactChannel::Email => Self::Email,
            ContactChannel::Push => Self::Push,
            ContactChannel::Chat => Self::Chat,
            ContactChannel::Webhook => Self::Webhook,
        }
    }
}

/// Where each column stands in this file.
struct Header([Option<usize>; COLUMNS.len()]);

impl Header {
    fn read(record: &ByteRecord) -> Result<Self, DirectoryError> {
        let mut at = [None; COLUMNS.len()];
        for (i, name) in record.iter().enumerate() {
            // Spreadsheets put a byte order mark before the first name.
            let name = name.strip_prefix("\u{feff}".as_bytes()).unwrap_or(name);
            let name = name.trim_ascii().to_ascii_lowercase();
            let place = COLUMNS.iter().position(|c| c.as_bytes() == name);
            match place.and_then(|p| at.get_mut(p)) {
                Some(free @ None) => *free = Some(i),
                Some(Some(_)) | None => return Err(DirectoryError::UnknownColumn(i + 1)),
            }
        }
        let header = Self(at);
        match REQUIRED.into_iter().find(|c| header.place(*c).is_none()) {
            Some(missing) => Err(DirectoryError::MissingColumn(missing.name())),
            None => Ok(header),
        }
    }

    fn place(&self, column: Column) -> Option<usize> {
        self.0.get(column as usize).copied().flatten()
    }
}

/// Reads a whole directory. Columns: `id, region, services` and, if there, `served_by, language, channels, consents,
/// priority, name, sms, email, push, chat, webhook, place, latitude, longitude`, in any order; lists are separated by `;` or `|`; channels stand in
/// order of preference (without the column: those with an address). `pseudonym` makes an id a pseudonym; the id itself is
/// kept nowhere.
///
/// # Errors
/// A header or rows that can't be taken, all of which are counted and the first 20 named; nothing of the file is given then.
pub fn read_directory(
    reader: impl Read,
    settings: &DirectorySettings,
    pseudonym: &dyn Fn(&str) -> CustomerId,
) -> Result<Vec<DirectoryRow>, DirectoryError> {
    let mut csv = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::Fields)
        .from_reader(reader);
    let header = Header::read(csv.byte_headers().map_err(DirectoryError::Read)?)?;
    let width = csv.byte_headers().map_err(DirectoryError::Read)?.len();
    let (mut rows, mut seen) = (Vec::new(), BTreeSet::new());
    let (mut bad, mut first) = (0, Vec::new());
    let mut record = ByteRecord::new();
    while csv.read_byte_record(&mut record).map_err(DirectoryError::Read)? {
        if rows.len() as u64 + bad >= ROWS_MAX {
            return Err(DirectoryError::TooLong);
        }
        let row = Fields {
            header: &header,
            record: &record,
        };
        let read = if record.len() == width {
            row.read(settings, pseudonym)
        } else {
            Err((Column::Id, "the row has more or fewer fields than the header"))
        };
        let read = read.and_then(|row| {
            if seen.insert(row.customer.id.clone()) {
                Ok(row)
            } else {
                Err((Column::Id, "an earlier row has the same id"))
            }
        });
        match read {
            Ok(row) => rows.push(row),
            Err((column, why)) => {
                bad += 1;
                if first.len() < BAD_ROWS_SHOWN {
                    let line = record.position().map_or(0, csv::Position::line);
                    first.push(BadRow {
                        line,
                        column: column.name(),
                        why,
                    });
                }
            }
        }
    }
    if bad > 0 {
        return Err(DirectoryError::BadRows { bad, first });
    }
    Ok(rows)
}

type Wrong = (Column, &'static str);

/// One row under its header.
struct Fields<'a> {
    header: &'a Header,
    record: &'a ByteRecord,
}

impl Fields<'_> {
    fn text(&self, column: Column) -> Result<&str, Wrong> {
        let bytes = self.header.place(column).and_then(|i| self.record.get(i));
        let text = std::str::from_utf8(bytes.unwrap_or_default()).map_err(|_| (column, "it is not UTF-8"))?;
        if text.chars().any(char::is_control) {
            return Err((column, "it holds a control character"));
        }
        Ok(text)
    }

    fn list<'b, T>(
        &'b self,
        column: Column,
        why: &'static str,
        read: impl Fn(&'b str) -> Option<T>,
    ) -> Result<Vec<T>, Wrong> {
        self.text(column)?
            .split([';', '|'])
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| read(part).ok_or((column, why)))
            .collect()
    }

    fn read(
        &self,
        settings: &DirectorySettings,
        pseudonym: &dyn Fn(&str) -> CustomerId,
    ) -> Result<DirectoryRow, Wrong> {
        let id = self.text(Column::Id)?;
        if id.is_empty() {
            return Err((Column::Id, "it is empty"));
        }
        let region = RegionCode::new(self.text(Column::Region)?)
            .map_err(|_| (Column::Region, "it is no region code, such as IR-23"))?;
        let addresses = self.addresses(settings)?;
        let name = self.text(Column::Name)?;
        if name.len() > NAME_BYTES_MAX {
            return Err((Column::Name, "it is longer than 256 bytes"));
        }
        let served_by = self.list(Column::ServedBy, "it is no element id", |t| t.parse().ok())?;
        if served_by.len() > SERVED_BY_MAX {
            return Err((Column::ServedBy, "it names more than 8 elements"));
        }
        let services = self.list(Column::Services, "it is no service name", |t| t.parse().ok())?;
        let consents = self.list(Column::Consents, "it is no purpose", purpose)?;
        let customer = Customer {
            id: pseudonym(id),
            domain: settings.domain.clone(),
            region,
            place: self.place(settings.place_resolution)?,
            served_by: served_by.into_iter().collect(),
            services: services.into_iter().collect(),
            language: self.language()?,
            channels: self.channels(&addresses)?,
            consents: consents.into_iter().collect(),
            priority: self.priority()?,
            at: settings.at,
        };
        Ok(DirectoryRow {
            customer,
            name: (!name.is_empty()).then(|| Secret::new(name)),
            addresses,
        })
    }

    /// The cell they are in: given as one, or by degrees. No finer one is kept, whatever stands there.
    fn place(&self, resolution: u8) -> Result<Option<Cell>, Wrong> {
        let cell = self.text(Column::Place)?;
        let (lat, lng) = (self.degrees(Column::Latitude)?, self.degrees(Column::Longitude)?);
        match (cell, lat, lng) {
            ("", None, None) => Ok(None),
            ("", Some(lat), Some(lng)) => {
                // What a form or a geocoder writes where it knows nothing.
                if lat.abs() < 0.01 && lng.abs() < 0.01 {
                    return Err((
                        Column::Latitude,
                        "it is the point 0, 0 in the sea: leave it empty",
                    ));
                }
                let why = "latitude and longitude are no place: degrees, at most 90 and 180";
                let point = Point::from_degrees(lat, lng).map_err(|_| (Column::Latitude, why))?;
                Ok(point.cell(resolution))
            }
            (_, None, None) => {
                let why = "it is no cell of H3, such as 8928308280fffff";
                let cell = Cell::new(cell).map_err(|_| (Column::Place, why))?;
                if cell.resolution() < PLACE_RESOLUTION_MIN {
                    return Err((Column::Place, "the cell is coarser than resolution 5"));
                }
                Ok(Some(cell.no_finer_than(resolution)))
            }
            ("", _, _) => Err((
                Column::Latitude,
                "latitude and longitude stand together or not at all",
            )),
            (_, _, _) => Err((
                Column::Place,
                "it stands beside a latitude or longitude: give one of the two",
            )),
        }
    }

    fn degrees(&self, column: Column) -> Result<Option<f64>, Wrong> {
        match self.text(column)? {
            "" => Ok(None),
            text => {
                let number = text.parse().ok().filter(|n: &f64| n.is_finite());
                number
                    .map(Some)
                    .ok_or((column, "it is no number of degrees, such as 35.70"))
            }
        }
    }

    fn language(&self) -> Result<Language, Wrong> {
        match self.text(Column::Language)? {
            "" => Ok(Language::default()),
            tag => Language::ALL
                .into_iter()
                .find(|l| l.as_str().eq_ignore_ascii_case(tag))
                .ok_or((Column::Language, "it is no language notices are written in")),
        }
    }

    fn priority(&self) -> Result<bool, Wrong> {
        match self.text(Column::Priority)?.to_ascii_lowercase().as_str() {
            "" | "0" | "false" | "no" => Ok(false),
            "1" | "true" | "yes" => Ok(true),
            _ => Err((Column::Priority, "it is neither true nor false")),
        }
    }

    fn channels(&self, addresses: &BTreeMap<ContactChannel, Secret>) -> Result<Vec<ContactChannel>, Wrong> {
        let wanted = self.list(Column::Channels, "it is no channel", |text| {
            ContactChannel::ALL.into_iter().find(|c| c.as_str() == text)
        })?;
        if wanted.is_empty() {
            return Ok(addresses.keys().copied().collect());
        }
        let mut channels = Vec::new();
        for channel in wanted {
            if !addresses.contains_key(&channel) {
                return Err((Column::of(channel), "the channel is wanted but has no address"));
            }
            if !channels.contains(&channel) {
                channels.push(channel);
            }
        }
        Ok(channels)
    }

    fn addresses(&self, settings: &DirectorySettings) -> Result<BTreeMap<ContactChannel, Secret>, Wrong> {
        let mut addresses = BTreeMap::new();
        for channel in ContactChannel::ALL {
            let column = Column::of(channel);
            let text = self.text(column)?;
            if text.is_empty() {
                continue;
            }
            let address = address(channel, text, settings).map_err(|why| (column, why))?;
            addresses.insert(channel, Secret::new(address));
        }
        Ok(addresses)
    }
}

fn purpose(text: &str) -> Option<Purpose> {
    Some(match text {
        "service_notice" => Purpose::ServiceNotice,
        "planned_work" => Purpose::PlannedWork,
        "safety" => Purpose::Safety,
        "survey" => Purpose::Survey,
        "marketing" => Purpose::Marketing,
        _ => return None,
    })
}

fn address(
    channel: ContactChannel,
    text: &str,
    settings: &DirectorySettings,
) -> Result<String, &'static str> {
    match channel {
        ContactChannel::Sms => phone(text, &settings.country_code),
        ContactChannel::Email => {
            let parts = text.split_once('@');
            let is_address =
                parts.is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'));
            if !is_address || text.len() > EMAIL_BYTES_MAX || text.contains(char::is_whitespace) {
                return Err("it is no mail address");
            }
            Ok(text.to_owned())
        }
        ContactChannel::Push | ContactChannel::Chat | ContactChannel::Webhook => {
            if text.len() > ADDRESS_BYTES_MAX {
                return Err("it is longer than 2048 bytes");
            }
            if channel == ContactChannel::Webhook && !text.starts_with("https://") {
                return Err("it does not begin with https://");
            }
            Ok(text.to_owned())
        }
    }
}

/// A phone number as E.164, from any digit script, with `+`, `00` or a national 0 before it.
fn phone(text: &str, country_code: &str) -> Result<String, &'static str> {
    const WRONG: &str = "it is no phone number";
    let mut digits = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' => digits.push(c),
            '۰'..='۹' | '٠'..='٩' => {
                let zero = if c >= '۰' { '۰' } else { '٠' };
                let value = u32::from(c) - u32::from(zero);
                digits.push(char::from_digit(value, 10).ok_or(WRONG)?);
            }
            '+' if digits.is_empty() => digits.push('+'),
            ' ' | '-' | '(' | ')' | '.' | '\u{200c}' | '\u{200e}' | '\u{200f}' => {}
            _ => return Err(WRONG),
        }
    }
    let national = if let Some(rest) = digits.strip_prefix('+') {
        rest.to_owned()
    } else if let Some(rest) = digits.strip_prefix("00") {
        rest.to_owned()
    } else if let Some(rest) = digits.strip_prefix('0') {
        format!("{country_code}{rest}")
    } else {
        return Err("it begins with neither + nor 0");
    };
    // E.164: at most 15 digits; the shortest subscriber numbers with their country code have 8.
    if (8..=15).contains(&national.len()) && !national.starts_with('0') {
        Ok(format!("+{national}"))
    } else {
        Err(WRONG)
    }
}

#[cfg(test)]
mod tests;
