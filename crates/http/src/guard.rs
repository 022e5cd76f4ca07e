//! Where an address that somebody else has named may lead.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::{BadNetwork, Network};

/// IPv4 that is not of the public net, or that only machines of our own answer at (IANA's registry of special-purpose addresses,
/// RFC 6890, with multicast and what is reserved).
const CLOSED_V4: [Network; 17] = [
    Network::v4(0, 0, 0, 0, 8),
    Network::v4(10, 0, 0, 0, 8),
    // Shared by carriers (RFC 6598).
    Network::v4(100, 64, 0, 0, 10),
    Network::v4(127, 0, 0, 0, 8),
    // Link-local, and with it the metadata services of clouds.
    Network::v4(169, 254, 0, 0, 16),
    Network::v4(172, 16, 0, 0, 12),
    Network::v4(192, 0, 0, 0, 24),
    Network::v4(192, 0, 2, 0, 24),
    // Relays of 6to4 (RFC 7526).
    Network::v4(192, 88, 99, 0, 24),
    Network::v4(192, 168, 0, 0, 16),
    Network::v4(198, 18, 0, 0, 15),
    Network::v4(198, 51, 100, 0, 24),
    Network::v4(203, 0, 113, 0, 24),
    Network::v4(224, 0, 0, 0, 4),
    Network::v4(240, 0, 0, 0, 4),
    // A public address that is a cloud's own service to its machines.
    Network::v4(168, 63, 129, 16, 32),
    // Direct delegation of AS112: answers for private names (RFC 7535).
    Network::v4(192, 31, 196, 0, 24),
];

/// All public IPv6 unicast addresses begin so (RFC 4291): neither loopback, link-local, ULA nor multicast do.
const PUBLIC_V6: Network = Network::v6(0x2000, 0, 0, 0, 3);

/// Of those: protocol assignments with Teredo and ORCHID, documentation, 6to4 (an IPv4 address hides in it).
const CLOSED_V6: [Network; 4] = [
    Network::v6(0x2001, 0, 0, 0, 23),
    Network::v6(0x2001, 0x0db8, 0, 0, 32),
    Network::v6(0x2002, 0, 0, 0, 16),
    Network::v6(0x3fff, 0, 0, 0, 20),
];

/// The last 32 bits are an IPv4 address (RFC 6052): where a network has IPv6 alone, all of IPv4 looks so.
const NAT64: Network = Network::v6(0x0064, 0xff9b, 0, 0, 96);

/// An address that nothing may be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address is not one of the public net")]
pub struct Forbidden;

/// What names mean. Blocking.
pub trait Names: Send + Sync {
    /// The addresses of a host; ports don't count.
    ///
    /// # Errors
    /// It has none, or nobody could be asked.
    fn look_up(&self, host: &str) -> io::Result<Vec<SocketAddr>>;
}

/// Names as the system knows them.
#[derive(Debug, Clone, Copy)]
pub struct SystemNames;

impl Names for SystemNames {
    fn look_up(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        (host, 0).to_socket_addrs().map(Iterator::collect)
    }
}

/// Admits addresses of the public net, and those the operator allows. A name is looked up once a connection, and of what it means
/// only admitted addresses are connected to: it can't mean something else in between.
#[derive(Clone)]
pub struct Guard {
    allowed: Arc<[Network]>,
    names: Arc<dyn Names>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

impl Guard {
    /// One that also admits these networks or addresses.
    ///
    /// # Errors
    /// A text that is neither.
    pub fn new(allowed: &[String]) -> Result<Self, BadNetwork> {
        Self::with_names(allowed, Arc::new(SystemNames))
    }

    /// The same with another idea of what names mean.
    ///
    /// # Errors
    /// A text that is neither network nor address.
    pub fn with_names(allowed: &[String], names: Arc<dyn Names>) -> Result<Self, BadNetwork> {
        Ok(Self {
            allowed: allowed
                .iter()
                .map(|text| text.parse())
                .collect::<Result<_, _>>()?,
            names,
        })
    }

    /// Whether something may be sent to this address.
    pub fn admits(&self, address: IpAddr) -> bool {
        // What is written as IPv6 and is IPv4 is judged as IPv4.
        let address = match address {
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => IpAddr::V4(v4),
                None if NAT64.contains(address) => IpAddr::V4(last_bits(v6.octets())),
                None => address,
            },
            IpAddr::V4(_) => address,
        };
        let is_in = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
        if is_in(&self.allowed) {
            return true;
        }
        match address {
            IpAddr::V4(_) => !is_in(&CLOSED_V4),
            IpAddr::V6(_) => PUBLIC_V6.contains(address) && !is_in(&CLOSED_V6),
        }
    }

    /// Whether the address of a request may be asked at all. An address in numbers, however it is written, never comes to a look-up
    /// of names, and so is judged here.
    pub(crate) fn may_ask(&self, url: &Url) -> bool {
        let is_plain = url.scheme() != "https";
        let Some(host) = url.host_str().filter(|_| !is_plain) else {
            return false;
        };
        match host.trim_matches(['[', ']']).parse() {
            Ok(address) => self.admits(address),
            Err(_) => true,
        }
    }
}

fn last_bits(octets: [u8; 16]) -> Ipv4Addr {
    let [.., a, b, c, d] = octets;
    Ipv4Addr::new(a, b, c, d)
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let asked = guard.clone();
            let found = tokio::task::spawn_blocking(move || asked.names.look_up(name.as_str())).await??;
            let admitted: Vec<_> = found.into_iter().filter(|at| guard.admits(at.ip())).collect();
            if admitted.is_empty() {
                return Err(Forbidden.into());
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(address: &str) -> bool {
        Guard::new(&[]).unwrap().admits(address.parse().unwrap())
    }

    #[test]
    fn only_the_public_net_is_admitted() {
        for closed in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "168.63.129.16",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "239.255.255.250",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::7f00:1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "3fff::1",
        ] {
            assert!(!admits(closed), "{closed} is admitted");
        }
        for open in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "185.55.226.26",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2606:4700::1111",
            "2a00:1450:4001::200e",
        ] {
            assert!(admits(open), "{open} is not admitted");
        }
    }

    #[test]
    fn what_the_operator_allows_is_admitted_however_it_is_written() {
        let guard = Guard::new(&["10.1.0.0/16".to_owned(), "fd12::/16".to_owned()]).unwrap();
        for (address, expected) in [
            ("10.1.9.9", true),
            ("::ffff:10.1.9.9", true),
            ("64:ff9b::a01:909", true),
            ("10.2.0.1", false),
            ("fd12::1", true),
            ("fd13::1", false),
        ] {
            assert_eq!(guard.admits(address.parse().unwrap()), expected, "{address}");
        }
        assert!(Guard::new(&["localhost".to_owned()]).is_err());
    }

    #[test]
    fn addresses_in_numbers_are_judged_before_anything_is_looked_up() {
        let guard = Guard::new(&[]).unwrap();
        for closed in [
            "https://127.0.0.1/x",
            "https://127.0.0.1:8443/x",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://0/",
            "https://127.0.0.1./",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://user:pass@169.254.169.254/latest/meta-data/",
            "https://example.ir@10.0.0.1/",
            "https://１２７.0.0.1/",
            // Not private at all.
            "http://1.1.1.1/",
            "http://example.ir/",
            "file:///etc/passwd",
            "gopher://1.1.1.1/",
        ] {
            assert!(!guard.may_ask(&closed.parse().unwrap()), "{closed}");
        }
        for open in [
            "https://example.ir/hook",
            "https://1.1.1.1:8443/",
            "https://[2606:4700::1111]/",
        ] {
            assert!(guard.may_ask(&open.parse().unwrap()), "{open}");
        }
    }
}
