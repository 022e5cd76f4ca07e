//! Whether each channel's gateway can carry what goes there, and carries it in private.

use std::net::IpAddr;

use forecall_delivery::{SmppTls, SmtpTls};
use forecall_ledger::Secret;
use forecall_types::ContactChannel;

use crate::check::Findings;
use crate::raw::{File, GatewaySettings};

/// The secrets of the gateways, each with its key.
pub(crate) fn secrets(file: &File) -> impl Iterator<Item = (String, &Secret)> {
    file.gateways.iter().flat_map(|(channel, gateway)| {
        let (kind, secrets) = match gateway {
            GatewaySettings::File(_) | GatewaySettings::Console => ("", Vec::new()),
            GatewaySettings::Smtp(smtp) => ("smtp", vec![("password", smtp.password.as_ref())]),
            GatewaySettings::Smpp(smpp) => ("smpp", vec![("password", Some(&smpp.password))]),
            GatewaySettings::Http(http) => (
                "http",
                vec![
                    ("secret", http.secret.as_ref()),
                    ("password", http.password.as_ref()),
                    ("callbacks.token", http.callbacks.as_ref().map(|c| &c.token)),
                ],
            ),
            GatewaySettings::Webhook(webhook) => (
                "webhook",
                vec![
                    ("secret", webhook.secret.as_ref()),
                    ("previous_secret", webhook.previous_secret.as_ref()),
                ],
            ),
            GatewaySettings::Bot(bot) => ("bot", vec![("token", Some(&bot.token))]),
            GatewaySettings::WebPush(push) => ("web_push", vec![("private_key", Some(&push.private_key))]),
            GatewaySettings::Fcm(fcm) => ("fcm", vec![("credentials", Some(&fcm.credentials))]),
        };
        secrets.into_iter().filter_map(move |(key, secret)| {
            Some((format!("gateways.{}.{kind}.{key}", channel.as_str()), secret?))
        })
    })
}

pub(crate) fn check(file: &File, found: &mut Findings<'_>) {
    for (channel, gateway) in &file.gateways {
        let channel_path = format!("gateways.{}", channel.as_str());
        match gateway {
            GatewaySettings::File(_) | GatewaySettings::Console => {}
            GatewaySettings::Smtp(smtp) => {
                let path = format!("{channel_path}.smtp");
                if *channel != ContactChannel::Email {
                    found.wrong(&path, format!("{path}: a mail server carries `email` only"));
                }
                let is_loopback =
                    smtp.host == "localhost" || smtp.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
                if smtp.tls == SmtpTls::None && !is_loopback {
                    found.wrong(
                        &format!("{path}.tls"),
                        format!("{path}.tls is `none`: that is for this machine itself; `{}` needs `starttls` or `implicit`", smtp.host),
                    );
                }
                if smtp.username.is_some() != smtp.password.is_some() {
                    found.wrong(&path, format!("{path}: `username` and `password` go together"));
                }
            }
            GatewaySettings::Smpp(smpp) => {
                let path = format!("{channel_path}.smpp");
                only(*channel, ContactChannel::Sms, &path, found);
                mistakes(&path, smpp.mistakes(), found);
                if smpp.tls == SmppTls::None && smpp.private_network {
                    found.warn(
                        &format!("{path}.private_network"),
                        format!("{path}: numbers and texts travel to `{}` as they are: whoever is between may read and change them", smpp.host),
                    );
                }
            }
            GatewaySettings::Http(http) => {
                let path = format!("{channel_path}.http");
                only(*channel, ContactChannel::Sms, &path, found);
                mistakes(&path, http.mistakes(), found);
            }
            GatewaySettings::Webhook(webhook) => {
                let path = format!("{channel_path}.webhook");
                only(*channel, ContactChannel::Webhook, &path, found);
                mistakes(&path, webhook.mistakes(), found);
            }
            GatewaySettings::Bot(bot) => {
                let path = format!("{channel_path}.bot");
                only(*channel, ContactChannel::Chat, &path, found);
                mistakes(&path, bot.mistakes(), found);
            }
            GatewaySettings::WebPush(push) => {
                let path = format!("{channel_path}.web_push");
                only(*channel, ContactChannel::Push, &path, found);
                mistakes(&path, push.mistakes(), found);
            }
            GatewaySettings::Fcm(fcm) => {
                let path = format!("{channel_path}.fcm");
                only(*channel, ContactChannel::Push, &path, found);
                mistakes(&path, fcm.mistakes(), found);
            }
        }
    }
    if file.directory.is_none() {
        return;
    }
    for channel in file.outreach.channels.0.keys() {
        if !file.gateways.contains_key(channel) {
            found.warn(
                "gateways",
                format!(
                    "`outreach.channels` uses `{0}`, but `gateways` has no `{0}`: what goes there stays unsent and raises an alarm",
                    channel.as_str()
                ),
            );
        }
    }
}

fn only(channel: ContactChannel, carried: ContactChannel, path: &str, found: &mut Findings<'_>) {
    if channel != carried {
        found.wrong(path, format!("{path}: it carries `{}` only", carried.as_str()));
    }
}

/// Each begins with the setting's name.
fn mistakes(path: &str, mistakes: Vec<String>, found: &mut Findings<'_>) {
    for mistake in mistakes {
        let key = mistake.split([' ', ':']).next().unwrap_or_default();
        found.wrong(&format!("{path}.{key}"), format!("{path}.{mistake}"));
    }
}
