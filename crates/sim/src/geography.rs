//! Where the operator works: provinces by ISO 3166-2:IR (codes as of November 2020), one or two cities in each.

/// A city: code below its province's, names, share of the customers in parts of 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct City {
    /// `IR-10-ISF`.
    pub code: &'static str,
    /// Its province's ISO 3166-2 code.
    pub province: &'static str,
    /// Province in Persian.
    pub province_fa: &'static str,
    /// Province in English.
    pub province_en: &'static str,
    /// Name in Persian; short enough for a text message.
    pub fa: &'static str,
    /// Name in English.
    pub en: &'static str,
    /// Customers of 1,000.
    pub share: u64,
}

const fn city(
    code: &'static str,
    province: (&'static str, &'static str, &'static str),
    fa: &'static str,
    en: &'static str,
    share: u64,
) -> City {
    City {
        code,
        province: province.0,
        province_fa: province.1,
        province_en: province.2,
        fa,
        en,
        share,
    }
}

const TEHRAN: (&str, &str, &str) = ("IR-23", "تهران", "Tehran");
const ISFAHAN: (&str, &str, &str) = ("IR-10", "اصفهان", "Isfahan");

/// The cities, by customers.
pub const CITIES: [City; 14] = [
    city("IR-23-TEH", TEHRAN, "تهران", "Tehran", 270),
    city("IR-23-REY", TEHRAN, "ری", "Rey", 40),
    city(
        "IR-09-MHD",
        ("IR-09", "خراسان رضوی", "Razavi Khorasan"),
        "مشهد",
        "Mashhad",
        120,
    ),
    city("IR-10-ISF", ISFAHAN, "اصفهان", "Isfahan", 80),
    city("IR-10-KSH", ISFAHAN, "کاشان", "Kashan", 25),
    city("IR-07-SHZ", ("IR-07", "فارس", "Fars"), "شیراز", "Shiraz", 75),
    city(
        "IR-03-TBZ",
        ("IR-03", "آذربایجان شرقی", "East Azerbaijan"),
        "تبریز",
        "Tabriz",
        75,
    ),
    city("IR-30-KRJ", ("IR-30", "البرز", "Alborz"), "کرج", "Karaj", 75),
    city(
        "IR-06-AHV",
        ("IR-06", "خوزستان", "Khuzestan"),
        "اهواز",
        "Ahvaz",
        65,
    ),
    city("IR-25-QOM", ("IR-25", "قم", "Qom"), "قم", "Qom", 50),
    city("IR-08-KER", ("IR-08", "کرمان", "Kerman"), "کرمان", "Kerman", 40),
    city("IR-01-RSH", ("IR-01", "گیلان", "Gilan"), "رشت", "Rasht", 35),
    city(
        "IR-02-SAR",
        ("IR-02", "مازندران", "Mazandaran"),
        "ساری",
        "Sari",
        30,
    ),
    city("IR-21-YZD", ("IR-21", "یزد", "Yazd"), "یزد", "Yazd", 20),
];

/// Cells of a city.
pub const CELLS: usize = 3;

/// Where the fibre fails.
pub const TROUBLED: &str = "IR-10-ISF";
/// Where it only looks as if.
pub const DECOY: &str = "IR-07-SHZ";
/// Where the core routers stand.
pub const CORE: &str = "IR-23-TEH";

/// Id of a city's cell, counted from 0.
pub(crate) fn cell_id(city: &City, cell: usize) -> String {
    format!("{}-c{}", city.code, cell + 1)
}

/// Place of a city in [`CITIES`].
#[cfg(test)]
pub(crate) fn city_no(code: &str) -> usize {
    CITIES.iter().position(|c| c.code == code).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_make_a_whole_and_codes_lie_in_their_province() {
        assert_eq!(CITIES.iter().map(|c| c.share).sum::<u64>(), 1_000);
        for city in &CITIES {
            assert!(city.code.starts_with(city.province), "{}", city.code);
            assert!(city.fa.encode_utf16().count() <= 13);
        }
        for code in [TROUBLED, DECOY, CORE] {
            assert_eq!(CITIES[city_no(code)].code, code);
        }
    }
}
