use expect_test::{Expect, expect};

use super::*;

fn read(file: &[u8]) -> Result<Vec<DirectoryRow>, DirectoryError> {
    let settings = DirectorySettings {
        domain: DomainName::new("acme").unwrap(),
        at: EventTime::from_secs(7),
        country_code: "98".into(),
        place_resolution: 8,
    };
    read_directory(file, &settings, &|id| {
        CustomerId::new(&format!("cus_{id}")).unwrap()
    })
}

fn check(file: &str, want: Expect) {
    let text = match read(file.as_bytes()) {
        Ok(rows) => rows
            .iter()
            .map(|row| {
                let c = &row.customer;
                let shown: Vec<_> = row
                    .addresses
                    .iter()
                    .map(|(k, v)| (k.as_str(), v.expose()))
                    .collect();
                format!(
                    "{} {} {:?} {:?} {} {:?} {:?} {} {:?} {shown:?}\n",
                    c.id,
                    c.region,
                    c.served_by.iter().map(|e| e.as_str()).collect::<Vec<_>>(),
                    c.services.iter().map(|e| e.as_str()).collect::<Vec<_>>(),
                    c.language.as_str(),
                    c.channels,
                    c.consents,
                    c.priority,
                    row.name.as_ref().map(Secret::expose),
                )
            })
            .collect(),
        Err(error) => error.to_string(),
    };
    want.assert_eq(&text);
}

#[test]
fn whole_rows_are_read() {
    check(
        "\u{feff}id,region,served_by,services,language,channels,consents,priority,name,sms,email\n\
         1,IR-23,cell-7;cell-8,internet|voice,fa,email;sms,service_notice;safety,yes,علی رضایی,۰۹۱۲ ۳۴۵ ۴۵۶۷,a@example.ir\n\
         2,ir-10,,internet,EN,,,,,00989123454568,\n",
        expect![[r#"
            cus_1 IR-23 ["cell-7", "cell-8"] ["internet", "voice"] fa [Email, Sms] {ServiceNotice, Safety} true Some("علی رضایی") [("sms", "+989123454567"), ("email", "a@example.ir")]
            cus_2 IR-10 [] ["internet"] en [Sms] {} false None [("sms", "+989123454568")]
        "#]],
    );
}

#[test]
fn places_are_made_coarse_and_half_ones_refused() {
    let places = |rows: &str| {
        let file = format!("id,region,services,place,latitude,longitude\n{rows}");
        let rows = read(file.as_bytes()).map_err(|e| e.to_string())?;
        let shown = |row: &DirectoryRow| row.customer.place.map_or("-".into(), |cell| cell.to_string());
        Ok(rows.iter().map(shown).collect::<Vec<String>>().join(" "))
    };
    // A cell as it is, one that is finer than what is kept, degrees (beside the example of H3's documentation), none.
    let good = "1,US-CA,i,872830828ffffff,,\n2,US-CA,i,8928308280fffff,,\n3,US-CA,i,,37.775938728915946,-122.41795063018799\n4,US-CA,i,,,\n";
    assert_eq!(
        places(good),
        Ok::<_, String>("872830828ffffff 8828308281fffff 8828308281fffff -".into())
    );
    for (row, why) in [
        ("1,IR-23,i,8928308280ffff,,", "place: it is no cell of H3"),
        ("1,IR-23,i,8428309ffffffff,,", "place: the cell is coarser"),
        ("1,IR-23,i,8928308280fffff,35.7,51.4", "place: it stands beside"),
        (
            "1,IR-23,i,,35.7,",
            "latitude: latitude and longitude stand together",
        ),
        (
            "1,IR-23,i,,,51.4",
            "latitude: latitude and longitude stand together",
        ),
        (
            "1,IR-23,i,,139.7,35.7",
            "latitude: latitude and longitude are no place",
        ),
        ("1,IR-23,i,,NaN,51.4", "latitude: it is no number"),
        ("1,IR-23,i,,35.7,inf", "longitude: it is no number"),
        ("1,IR-23,i,,0,0.0", "latitude: it is the point 0, 0"),
    ] {
        let told = places(row).unwrap_err();
        assert!(told.contains(why), "{row}: {told}");
        assert!(!told.contains("51.4") && !told.contains("139"), "{told}");
    }
}

#[test]
fn bad_rows_are_named_without_their_data() {
    check(
        "id,region,services,channels,consents,priority,sms,email,webhook\n\
         1,nowhere!,internet,,,,,,\n\
         2,IR-23,internet,,,,9123454567,,\n\
         3,IR-23,internet,sms,,,,,\n\
         4,IR-23,internet,,everything,,,,\n\
         5,IR-23,internet,,,maybe,,,\n\
         6,IR-23,internet,,,,,a@b@c,\n\
         7,IR-23,internet,,,,,\"a@b\nBcc: c@d\",\n\
         8,IR-23,internet,,,,,,http://example.ir\n\
         9,IR-23\n\
         10,IR-23,internet,,,,,,\n\
         10,IR-23,internet,,,,,,\n\
         ,IR-23,internet,,,,,,\n",
        expect![[r"
            11 rows of the directory can't be taken, nothing was imported:
              line 2: region: it is no region code, such as IR-23
              line 3: sms: it begins with neither + nor 0
              line 4: sms: the channel is wanted but has no address
              line 5: consents: it is no purpose
              line 6: priority: it is neither true nor false
              line 7: email: it is no mail address
              line 8: email: it holds a control character
              line 10: webhook: it does not begin with https://
              line 11: id: the row has more or fewer fields than the header
              line 13: id: an earlier row has the same id
              line 14: id: it is empty"]],
    );
}

#[test]
fn headers_are_checked_and_not_shown() {
    check(
        "id,region\n",
        expect!["the directory's header has no column `services`"],
    );
    check(
        "id,region,services,+989123454567\n",
        expect!["column 4 of the directory's header is unknown or stands there twice"],
    );
    check(
        "id,region,services,id\n",
        expect!["column 4 of the directory's header is unknown or stands there twice"],
    );
}

#[test]
fn twenty_bad_rows_are_shown_and_all_counted() {
    let file = format!("id,region,services\n{}", "1,?,internet\n".repeat(50));
    let Err(DirectoryError::BadRows { bad, first }) = read(file.as_bytes()) else {
        panic!("taken");
    };
    assert_eq!((bad, first.len()), (50, 20));
    let Err(DirectoryError::BadRows { first, .. }) = read(b"id,region,services\n\xff,IR-23,x\n") else {
        panic!("taken");
    };
    assert_eq!(first[0].why, "it is not UTF-8");
}
