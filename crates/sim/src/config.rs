//! The demo's whole configuration, as an operator would write it.

use std::fmt::Write as _;

use crate::callers::{CALLS, GENERAL_QUEUE, INTERNET_QUEUE};
use crate::geography::{CITIES, CORE, TROUBLED};
use crate::telemetry::{LATENCY_LIMIT, LOSS_LIMIT, TELEMETRY};

/// Keys of a world that is made up: nothing they protect is real.
pub(crate) const PSEUDONYM_KEY: &str = "64656d6f2d70736575646f6e796d2d6b65792d6e6f742d612d7365637265742e";
const MASTER_KEY: &str = "64656d6f2d6d61737465722d6b65792d6e6f742d612d7365637265742d217e7e";

const HEAD: &str = r#"# The configuration of the demo: a made-up telecom operator. Nothing here is a secret.
domain: demo
group: demo
allow_literal_secrets: true
topics: { dev: true, partitions: 1 }
ledger:
  pseudonym_key: "@PSEUDONYM@"
  master_key: "@MASTER@"
sources:
  - { topic: @TELEMETRY@, format: auto }
  - { topic: @CALLS@, format: asterisk_queue_log }
# Customers feel it from here on.
objectives:
  - { metric: access.packet_loss, above: @LOSS@, for_seconds: 180, outage: 40 }
  - { metric: access.latency.p95, above: @LATENCY@, for_seconds: 180 }
  - { metric: http.server.error.ratio, above: 0.05, for_seconds: 180 }
  - { metric: voice.call.success.ratio, below: 0.95, for_seconds: 180, outage: 0.5 }
# What lasts six hours is the new normal: longer than a repair takes.
detect: { new_normal_seconds: 21600 }
correlate:
  predict_threshold: 0.6
  predict_for_seconds: 60
  retract_threshold: 0.3
  retract_after_seconds: 300
  resolve_after_seconds: 300
delivery:
  record_group: 200
  batch: 1000
  # 100 messages a second, in steps of half a minute of simulated time.
  rates: { sms: { per_minute: 6000, burst: 3000 }, email: { per_minute: 6000, burst: 3000 } }
state: { tick_seconds: 10, interval_seconds: 3600 }
anomaly_metrics: { series: [{ metric: access.packet_loss }, { metric: access.latency.p95 }] }
"#;

/// What is told to whom, when: the demo's own policy, less careful than the defaults so that a day shows all of it.
const POLICY: &str = r"outreach:
  brand:
    name: { fa: نمونه, en: Demo }
    phone: '1500'
    page: https://status.example.com
  # Defaults hold every opening text for a person's approval; the demo lets texts to fewer than 20,000 people go.
  approval: { reach_above: 20000 }
  # Defaults tell customers of predictions only by approval; the demo tells a pilot of one in twenty, from 80 % on.
  predicted: { probability_min: 0.8, pilot_share: 0.05, reach_max: 1000, needs_use: true, needs_approval: false }
  services:
    internet:
      name: { fa: اینترنت, en: internet }
      breaks: [fixed_access]
      advice: { fa: در صورت امکان از اینترنت همراه استفاده کنید., en: Use mobile data if you can. }
    tv: { name: { fa: تلویزیون, en: television }, breaks: [fixed_access] }
    voice: { name: { fa: تلفن, en: telephone }, class: voice }
    payment: { name: { fa: پرداخت, en: payment }, class: payment }
";

/// The YAML. Gateways are the caller's to add: where messages are written is not the world's business.
pub(crate) fn yaml() -> String {
    let mut text = HEAD
        .replace("@PSEUDONYM@", PSEUDONYM_KEY)
        .replace("@MASTER@", MASTER_KEY)
        .replace("@TELEMETRY@", TELEMETRY)
        .replace("@CALLS@", CALLS)
        .replace("@LOSS@", &format!("{LOSS_LIMIT:.1}"))
        .replace("@LATENCY@", &format!("{LATENCY_LIMIT:.1}"));
    topology(&mut text);
    text.push_str(POLICY);
    text.push_str("  regions:\n");
    for (code, parent, fa, en) in regions() {
        let parent = parent.map_or(String::new(), |p| format!("parent: {p}, "));
        let _ = writeln!(text, "    {code}: {{ {parent}name: {{ fa: {fa}, en: {en} }} }}");
    }
    let _ = writeln!(
        text,
        "  calls:\n    queues:\n      {INTERNET_QUEUE}: {{ services: [internet, tv], share: 1.0 }}\n      \
         {GENERAL_QUEUE}: {{ services: [voice, payment] }}"
    );
    text
}

fn topology(text: &mut String) {
    let fibre = "fibre-isfahan";
    let _ = write!(
        text,
        "topology:\n  services:\n    - {{ name: internet, customer_facing: true, depends_on: [core-router, {fibre}] }}\n    \
         - {{ name: voice, customer_facing: true, depends_on: [core-router] }}\n    \
         - {{ name: tv, customer_facing: true, depends_on: [core-router] }}\n    \
         - {{ name: payment, customer_facing: true, depends_on: [core-router] }}\n    \
         - {{ name: core-router }}\n    - {{ name: {fibre} }}\n  rules:\n    \
         - {{ match: {{ host.name: 'core-*' }}, service: core-router, region: {CORE} }}\n    \
         - {{ match: {{ service.name: {fibre} }}, region: {TROUBLED} }}\n  regions:\n"
    );
    for (code, parent, fa, en) in regions() {
        let rest = parent.map_or_else(
            || ", time_zone: Asia/Tehran".to_owned(),
            |p| format!(", parent: {p}"),
        );
        let short = if fa.encode_utf16().count() > 13 {
            format!(", short: {{ fa: {} }}", fa.split(' ').next_back().unwrap_or(fa))
        } else {
            String::new()
        };
        let _ = writeln!(
            text,
            "    - {{ code: {code}{rest}, names: {{ fa: {fa}, en: {en} }}{short} }}"
        );
    }
}

type Row = (&'static str, Option<&'static str>, &'static str, &'static str);

/// Provinces before their cities, each once.
fn regions() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for city in &CITIES {
        if !rows.iter().any(|row| row.0 == city.province) {
            rows.push((city.province, None, city.province_fa, city.province_en));
        }
    }
    rows.extend(CITIES.iter().map(|c| (c.code, Some(c.province), c.fa, c.en)));
    rows
}
