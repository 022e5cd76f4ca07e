use std::fmt;

use forecall_types::ContactChannel;

use crate::Secret;

/// An address as people may see it: enough to recognise one's own, too little to find another's.
/// `+98912•••4567`, `a•••@example.ir`, `https://example.ir/•••`.
#[derive(Debug, Clone, Copy)]
pub struct Masked<'a> {
    channel: ContactChannel,
    address: &'a Secret,
}

impl<'a> Masked<'a> {
    /// Of an address of this channel.
    pub const fn new(channel: ContactChannel, address: &'a Secret) -> Self {
        Self { channel, address }
    }
}

const DOTS: &str = "•••";

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.address.expose();
        match self.channel {
            ContactChannel::Sms => {
                let chars: Vec<char> = text.chars().collect();
                // Shorter than this, six shown at the front and four at the end would show it all.
                if chars.len() < 12 {
                    return f.write_str(DOTS);
                }
                let (head, tail) = (chars.iter().take(6), chars.iter().skip(chars.len() - 4));
                write!(
                    f,
                    "{}{DOTS}{}",
                    head.collect::<String>(),
                    tail.collect::<String>()
                )
            }
            ContactChannel::Email => match text.rsplit_once('@') {
                Some((user, host)) => write!(f, "{}{DOTS}@{host}", user.chars().take(1).collect::<String>()),
                None => f.write_str(DOTS),
            },
            ContactChannel::Webhook => match text.split_once("://") {
                Some((scheme, rest)) => {
                    // A user name and password before the host are not shown, nor the receiver's secret behind the address.
                    let authority = rest.split(['/', '?', '#', ' ', '\t']).next().unwrap_or_default();
                    let host = authority.rsplit('@').next().unwrap_or_default();
                    write!(f, "{scheme}://{host}/{DOTS}")
                }
                None => f.write_str(DOTS),
            },
            ContactChannel::Push | ContactChannel::Chat => f.write_str(DOTS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_masked() {
        for (channel, text, want) in [
            (ContactChannel::Sms, "+989123454567", "+98912•••4567"),
            (ContactChannel::Sms, "+98912", "•••"),
            (ContactChannel::Email, "ali@example.ir", "a•••@example.ir"),
            (ContactChannel::Email, "nobody", "•••"),
            (
                ContactChannel::Webhook,
                "https://u:p@example.ir/hook?k=1",
                "https://example.ir/•••",
            ),
            (
                ContactChannel::Webhook,
                "https://example.ir whsec_AAAA",
                "https://example.ir/•••",
            ),
            (ContactChannel::Push, "token-of-a-device", "•••"),
        ] {
            assert_eq!(Masked::new(channel, &Secret::new(text)).to_string(), want);
        }
    }
}
