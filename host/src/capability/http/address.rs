//! Which addresses plugins may reach. Sources: <https://www.iana.org/assignments/iana-ipv4-special-registry/> and
//! <https://www.iana.org/assignments/iana-ipv6-special-registry/>.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

/// What an address is, as far as plugins are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Anywhere in the internet.
    Public,
    /// In the operator's own network or on this machine: only where a rule says `private`.
    Private,
    /// Nowhere that a plugin has any business, whatever a rule says: link-local addresses and those under which clouds hand out
    /// credentials, groups of receivers, and forms that wrap another address.
    Never,
}

/// Networks of IPv4 that are not public, as their first address and the bits that count.
const V4: [(Ipv4Addr, u32, Reach); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, Reach::Never),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Reach::Private),
    // Inside the next one: where a cloud hands out credentials.
    (Ipv4Addr::new(100, 100, 100, 200), 32, Reach::Never),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Reach::Private),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Reach::Private),
    // A public address by its number, and a cloud's own service inside its machines.
    (Ipv4Addr::new(168, 63, 129, 16), 32, Reach::Never),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Reach::Never),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Reach::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Reach::Never),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Reach::Never),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Reach::Never),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Reach::Private),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Reach::Never),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Reach::Never),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Reach::Never),
    // Groups, what is reserved, and everybody.
    (Ipv4Addr::new(224, 0, 0, 0), 3, Reach::Never),
];

/// Networks of IPv6, as V4. What none of them and not 2000::/3 holds is nowhere; wrapped addresses of IPv4 are among that.
const V6: [(Ipv6Addr, u32, Reach); 8] = [
    (Ipv6Addr::LOCALHOST, 128, Reach::Private),
    // Inside the next one: where a cloud hands out credentials.
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32, Reach::Never),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Reach::Private),
    // Special purposes, Teredo among them, which wraps an address.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, Reach::Never),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Reach::Never),
    // 6to4, which wraps an address.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, Reach::Never),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Reach::Never),
    (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3, Reach::Public),
];

/// What an address is.
pub(super) fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => {
            let inside = |(network, bits, _): &&(Ipv4Addr, u32, Reach)| (address.to_bits() ^ network.to_bits()) >> (32 - bits) == 0;
            V4.iter().find(inside).map_or(Reach::Public, |(_, _, reach)| *reach)
        }
        IpAddr::V6(address) => {
            let inside = |(network, bits, _): &&(Ipv6Addr, u32, Reach)| (address.to_bits() ^ network.to_bits()) >> (128 - bits) == 0;
            V6.iter().find(inside).map_or(Reach::Never, |(_, _, reach)| *reach)
        }
    }
}

/// Whether a request may go to every one of these addresses, and there is one.
pub(super) fn all_allowed(addresses: &[IpAddr], private: bool) -> bool {
    let allowed = |address: &IpAddr| match reach(*address) {
        Reach::Public => true,
        Reach::Private => private,
        Reach::Never => false,
    };
    !addresses.is_empty() && addresses.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_public_is_reached_and_the_rest_is_not() {
        for (reach_of, addresses) in [
            (
                Reach::Public,
                "1.1.1.1 8.8.8.8 172.15.0.1 172.32.0.1 100.63.0.1 100.128.0.1 193.0.0.1 223.255.255.255 2606:4700::1111 2a00::1",
            ),
            (Reach::Private, "10.1.2.3 127.0.0.1 127.255.255.254 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 ::1 fc00::1 fd12::1"),
            (
                Reach::Never,
                "0.0.0.0 0.1.2.3 169.254.169.254 169.254.0.1 100.100.100.200 168.63.129.16 192.0.0.192 192.0.2.1 198.18.0.1 198.51.100.1 \
                 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ff02::1 fe80::1 fec0::1 fd00:ec2::254 2001:db8::1 \
                 2002:7f00:1:: 2001::1 64:ff9b::7f00:1 64:ff9b:1::1 ::ffff:127.0.0.1 ::ffff:1.1.1.1 ::127.0.0.1 100::1 5f00::1",
            ),
        ] {
            for address in addresses.split_whitespace() {
                assert_eq!(reach(address.parse().unwrap()), reach_of, "{address}");
            }
        }
    }

    #[test]
    fn one_bad_address_among_good_ones_is_enough() {
        let addresses = |text: &str| text.split_whitespace().map(|address| address.parse().unwrap()).collect::<Vec<IpAddr>>();
        assert!(all_allowed(&addresses("1.1.1.1 2606:4700::1111"), false));
        assert!(!all_allowed(&addresses("1.1.1.1 127.0.0.1"), false));
        assert!(all_allowed(&addresses("1.1.1.1 127.0.0.1"), true));
        assert!(!all_allowed(&addresses("127.0.0.1 169.254.169.254"), true));
        assert!(!all_allowed(&[], true));
    }
}
