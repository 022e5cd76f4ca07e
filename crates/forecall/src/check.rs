use std::io::Write as _;

use forecall_config::Settings;
use serde_json::json;

use crate::cli::CheckArgs;

pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<()> {
    let result = Settings::load(&args.config);
    let mut out = std::io::stdout().lock();
    match (&result, args.json) {
        (Ok(settings), true) => writeln!(
            out,
            "{}",
            json!({ "ok": true, "domain": settings.domain, "digest": settings.digest.to_string() })
        )?,
        (Ok(settings), false) => {
            writeln!(out, "{} is right.", args.config.display())?;
            for warning in &settings.warnings {
                let line = warning
                    .place
                    .map_or_else(String::new, |(line, _)| format!(" (line {line})"));
                writeln!(out, "warning{line}: {}", warning.what)?;
            }
            let calls = settings.sources.iter().filter(|s| s.format.is_calls()).count();
            writeln!(
                out,
                "domain {}, {} sources ({calls} of calls), {} gateways, {}",
                settings.domain,
                settings.sources.len(),
                settings.gateways.len(),
                if settings.kafka.is_some() {
                    "on Kafka"
                } else {
                    "no broker: demo and replay only"
                }
            )?;
            let (rules, calendars) = (settings.detect.rules.len(), settings.detect.calendars.len());
            if rules + calendars > 0 {
                writeln!(
                    out,
                    "detect: {rules} rules, {calendars} calendars; the first that matches a series counts"
                )?;
            }
        }
        (Err(error), true) => {
            let problems: Vec<_> = error
                .problems()
                .iter()
                .map(|p| json!({ "line": p.place.map(|x| x.0), "column": p.place.map(|x| x.1), "what": p.what }))
                .collect();
            writeln!(out, "{}", json!({ "ok": false, "problems": problems }))?;
        }
        (Err(_), false) => {}
    }
    result.map(|_| ()).map_err(Into::into)
}
