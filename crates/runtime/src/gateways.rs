//! The gateways that the settings ask for.

use std::collections::BTreeMap;

use forecall_config::GatewaySettings;
use forecall_delivery::{
    ChatGateway, EmailGateway, FcmGateway, FileSink, Gateway, HttpSmsGateway, SmppGateway, WebPushGateway,
    WebhookGateway,
};
use forecall_types::ContactChannel;

use crate::assemble::settings_error;
use crate::host::HostError;

/// One of each channel.
pub(crate) fn gateways(
    settings: &BTreeMap<ContactChannel, GatewaySettings>,
) -> Result<Vec<Box<dyn Gateway>>, HostError> {
    settings
        .iter()
        .map(|(channel, gateway)| {
            Ok(match gateway {
                GatewaySettings::File(path) => Box::new(
                    FileSink::append(*channel, path)
                        .map_err(|e| settings_error(format!("failed to open {}: {e}", path.display())))?,
                ) as Box<dyn Gateway>,
                GatewaySettings::Console => Box::new(FileSink::console(*channel)),
                GatewaySettings::Smtp(smtp) => {
                    Box::new(EmailGateway::new(smtp.clone()).map_err(settings_error)?)
                }
                GatewaySettings::Smpp(smpp) => {
                    Box::new(SmppGateway::new(smpp.clone()).map_err(settings_error)?)
                }
                GatewaySettings::Http(http) => {
                    Box::new(HttpSmsGateway::new(http.clone()).map_err(settings_error)?)
                }
                GatewaySettings::Webhook(webhook) => {
                    Box::new(WebhookGateway::new(webhook).map_err(settings_error)?)
                }
                GatewaySettings::Bot(bot) => Box::new(ChatGateway::new(bot.clone()).map_err(settings_error)?),
                GatewaySettings::WebPush(push) => {
                    Box::new(WebPushGateway::new(push.clone()).map_err(settings_error)?)
                }
                GatewaySettings::Fcm(fcm) => Box::new(FcmGateway::new(fcm.clone()).map_err(settings_error)?),
            })
        })
        .collect()
}
