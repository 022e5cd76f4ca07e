use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use forecall_config::{GatewaySettings, Settings};
use forecall_delivery::{SmtpSettings, SmtpTls};
use forecall_runtime::Finding;

/// A mail server that doesn't greet in so long won't take mail in time either.
const GATEWAY_WAIT: Duration = Duration::from_secs(5);

/// What stands behind each channel, as far as it can be told without sending anything.
pub(super) fn look_at(settings: &Settings, findings: &mut Vec<Finding>) {
    for (channel, gateway) in &settings.gateways {
        let subject = format!("gateway {}", channel.as_str());
        findings.push(match gateway {
            GatewaySettings::Console => Finding::fine(subject, "the console: it reaches nobody"),
            GatewaySettings::File(path) => file(&subject, path),
            GatewaySettings::Smtp(smtp) => match greeted(smtp) {
                Ok(words) => Finding::fine(subject, words),
                Err(why) => Finding::wrong(
                    subject,
                    format!("{}:{}: {why}", smtp.host, smtp.port()),
                    "docs/runbooks/no-gateway.md",
                ),
            },
            GatewaySettings::Smpp(smpp) => match listens(&smpp.host, smpp.port()) {
                Ok(words) => Finding::fine(subject, words),
                Err(why) => Finding::wrong(
                    subject,
                    format!("{}:{}: {why}", smpp.host, smpp.port()),
                    "docs/runbooks/no-gateway.md",
                ),
            },
            // Its address may hold a secret, and any request may be a message.
            GatewaySettings::Http(_) | GatewaySettings::Bot(_) | GatewaySettings::Fcm(_) => {
                Finding::fine(subject, "behind HTTP; it is tried at the first message")
            }
            // Whoever is called stands in the directory, and is asked nothing but what is for them.
            GatewaySettings::Webhook(_) | GatewaySettings::WebPush(_) => Finding::fine(
                subject,
                "as many places as people; each is tried at its first message",
            ),
        });
    }
}

/// A file gateway: the file if it is there, else the folder it will be in.
fn file(subject: &str, path: &Path) -> Finding {
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let opened = if path.exists() {
        OpenOptions::new().append(true).open(path).map(drop)
    } else {
        std::fs::read_dir(folder).map(drop)
    };
    match opened {
        Ok(()) => Finding::fine(subject, format!("lines to {}; it reaches nobody", path.display())),
        Err(error) => Finding::wrong(
            subject,
            format!("{} can't be written: {error}", path.display()),
            "mend the folder or the right",
        ),
    }
}

/// Only opens the line: a second bind of the same name could throw out the first.
fn listens(host: &str, port: u16) -> Result<String, String> {
    let address = (host, port)
        .to_socket_addrs()
        .map_err(|e| format!("it can't be looked up: {e}"))?
        .next()
        .ok_or("it has no address")?;
    TcpStream::connect_timeout(&address, GATEWAY_WAIT).map_err(|e| format!("nobody listens: {e}"))?;
    Ok(format!("{address} listens (its login is tried by deliver)"))
}

/// Connects and hears the greeting; nothing is said but goodbye. With implicit TLS the line is only opened.
fn greeted(smtp: &SmtpSettings) -> Result<String, String> {
    let address = (smtp.host.as_str(), smtp.port())
        .to_socket_addrs()
        .map_err(|e| format!("it can't be looked up: {e}"))?
        .next()
        .ok_or("it has no address")?;
    let mut stream =
        TcpStream::connect_timeout(&address, GATEWAY_WAIT).map_err(|e| format!("nobody listens: {e}"))?;
    if smtp.tls == SmtpTls::Implicit {
        return Ok(format!("{address} listens (its TLS is tried at the first mail)"));
    }
    stream
        .set_read_timeout(Some(GATEWAY_WAIT))
        .map_err(|e| e.to_string())?;
    let mut greeting = [0; 512];
    let length = stream
        .read(&mut greeting)
        .map_err(|e| format!("it doesn't greet: {e}"))?;
    // It may have hung up by now.
    let _ = stream.write_all(b"QUIT\r\n");
    let text = String::from_utf8_lossy(greeting.get(..length).unwrap_or_default()).into_owned();
    if text.starts_with("220") {
        Ok(format!("{address} greets; nothing was sent"))
    } else {
        Err(format!(
            "it greets with `{}`",
            text.lines().next().unwrap_or_default()
        ))
    }
}
