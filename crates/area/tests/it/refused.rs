//! What isn't clearly an area is refused, with the reason.

use forecall_area::{Areas, Bounds, read_area};

use crate::bounds;

fn check(text: &str, want: &str) {
    match read_area(text.as_bytes(), bounds()) {
        Ok(_) => panic!("taken: {text}"),
        Err(error) => assert!(
            error.to_string().contains(want),
            "{error}\n  is not `{want}`\n  of {text}"
        ),
    }
}

fn ring(coordinates: &str) -> String {
    format!(r#"{{"type": "Polygon", "coordinates": [[{coordinates}]]}}"#)
}

#[test]
fn nothing_and_nonsense() {
    for (text, want) in [
        ("", "not GeoJSON"),
        ("null", "no `type`"),
        ("[]", "no `type`"),
        (r#"{"type": "Polygon"}"#, "coordinates are lists"),
        (r#"{"type": "Polygon", "coordinates": []}"#, "no polygon"),
        (r#"{"type": "Polygon", "coordinates": [[]]}"#, "no polygon"),
        (r#"{"type": "MultiPolygon", "coordinates": []}"#, "no polygon"),
        (r#"{"type": "MultiPolygon", "coordinates": [[]]}"#, "no polygon"),
        (r#"{"type": "FeatureCollection", "features": []}"#, "no polygon"),
        (r#"{"type": "FeatureCollection"}"#, "no list of `features`"),
        (r#"{"type": "Feature", "geometry": null}"#, "no polygon"),
        (
            r#"{"type": "Point", "coordinates": [51.4, 35.7]}"#,
            "`Point` holds nobody",
        ),
        (
            r#"{"type": "GeometryCollection", "geometries": []}"#,
            "holds nobody",
        ),
    ] {
        check(text, want);
    }
}

#[test]
fn rings_that_are_none() {
    for (corners, want) in [
        ("[51.0,35.5],[51.1,35.5],[51.0,35.5]", "fewer than four"),
        ("[51.0,35.5],[51.1,35.5],[51.1,35.6],[51.0,35.6]", "isn't closed"),
        (
            "[51.0,35.5],[51.1,35.5],[51.2,35.5],[51.0,35.5]",
            "encloses nothing",
        ),
        (
            "[51.0,35.5],[51.0,35.5],[51.0,35.5],[51.0,35.5]",
            "encloses nothing",
        ),
        (
            "[51.0,35.5],[51.2,35.7],[51.2,35.5],[51.0,35.6],[51.0,35.5]",
            "crosses or touches itself",
        ),
        (
            "[51.0,35.5],[51.2,35.5],[51.2,35.7],[51.2,35.4],[51.0,35.5]",
            "crosses or touches itself",
        ),
        (
            "[51.0,35.5],[51.2,35.5],[51.1,35.6],[51.2,35.7],[51.0,35.7],[51.1,35.6],[51.0,35.5]",
            "crosses or touches itself",
        ),
        (
            "[51.0,35.5],[51.1,null],[51.1,35.6],[51.0,35.5]",
            "lists of numbers",
        ),
        (
            "[51.0,35.5],[\"51.1\",35.5],[51.1,35.6],[51.0,35.5]",
            "lists of numbers",
        ),
        ("[51.0,35.5],[51.1],[51.1,35.6],[51.0,35.5]", "lists of numbers"),
        ("[51.0,35.5],[51.1,NaN],[51.1,35.6],[51.0,35.5]", "not GeoJSON"),
        ("[51.0,35.5],[51.1,1e999],[51.1,35.6],[51.0,35.5]", "not GeoJSON"),
    ] {
        check(&ring(corners), want);
    }
}

#[test]
fn places_that_are_elsewhere() {
    for (corners, want) in [
        // Latitude first, in Japan, where it shows by itself.
        ("[35.0,139.0],[35.1,139.0],[35.1,139.1],[35.0,139.0]", "swapped"),
        // Latitude first, in Tehran, where only the bounds tell.
        (
            "[35.5,51.0],[35.5,51.1],[35.6,51.1],[35.5,51.0]",
            "beyond the bounds",
        ),
        ("[0,0],[0.1,0],[0.1,0.1],[0,0]", "beyond the bounds"),
        (
            "[-180,-90],[0,-90],[180,-90],[180,90],[0,90],[-180,90],[-180,-90]",
            "beyond the bounds",
        ),
        ("[179,35.5],[-179,35.5],[-179,35.6],[179,35.5]", "antimeridian"),
        ("[181,35.5],[182,35.5],[182,35.6],[181,35.5]", "beyond 180"),
        (
            "[49.9,35.5],[51.1,35.5],[51.1,35.6],[49.9,35.5]",
            "beyond the bounds",
        ),
    ] {
        check(&ring(corners), want);
    }
    let outside = r#"{"type": "Polygon", "coordinates": [
        [[51.0,35.5],[51.1,35.5],[51.1,35.6],[51.0,35.5]], [[51.0,35.7],[51.1,35.7],[51.1,35.8],[51.0,35.7]]]}"#;
    check(outside, "hole lies outside");
    assert!(Bounds::new(50.0, 35.0, 50.0, 36.0).is_err() && Bounds::new(50.0, 36.0, 51.0, 35.0).is_err());
    assert!(Bounds::new(f64::NAN, 35.0, 50.0, 36.0).is_err());
}

#[test]
fn one_bad_area_spoils_the_file_and_is_named() {
    let feature = |code: &str, lng: f64| {
        let corners = format!("[[[{lng},35.5],[51.1,35.5],[51.1,35.6],[{lng},35.5]]]");
        format!(
            r#"{{"type": "Feature", "properties": {{"code": {code}}}, "geometry": {{"type": "Polygon", "coordinates": {corners}}}}}"#
        )
    };
    let told = |features: &[String]| {
        let file = format!(
            r#"{{"type": "FeatureCollection", "features": [{}]}}"#,
            features.join(",")
        );
        Areas::read([("a.geojson", file.as_bytes())], bounds())
            .map(|areas| areas.codes().count())
            .map_err(|e| e.to_string())
    };
    let good = feature(r#""IR-23-T5""#, 51.0);
    assert_eq!(told(&[good.clone(), feature(r#""ir-23-t6""#, 51.0)]), Ok(2));
    let wrong = told(&[good.clone(), feature(r#""IR-23-T6""#, 5.1)]).unwrap_err();
    assert!(
        wrong.starts_with("a.geojson: feature 2 (IR-23-T6): it reaches beyond"),
        "{wrong}"
    );
    assert!(
        told(&[good.clone(), good.clone()])
            .unwrap_err()
            .contains("the same code")
    );
    for code in ["7", "null", r#""""#, r#""تهران""#] {
        assert!(
            told(&[good.clone(), feature(code, 51.0)])
                .unwrap_err()
                .contains("no region code")
        );
    }
}
