//! What a configuration file says, word for word: one struct per section, one field per key.
//!
//! Nothing is checked here but the kinds of values; what they mean is made of them in the files named after the nouns.

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};
use toml::Spanned;

/// Text and where it stands.
pub(super) type Text = Spanned<String>;
/// A number and where it stands; ranges are checked later, so that the message can name them.
pub(super) type Int = Spanned<i64>;
/// Yes or no, and where it stands.
pub(super) type Flag = Spanned<bool>;

/// The whole file.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) switch: Option<Spanned<Switch>>,
    pub(super) workers: Option<Spanned<Workers>>,
    pub(super) memory: Option<Spanned<Memory>>,
    pub(super) tables: Option<Spanned<Tables>>,
    pub(super) ports: Vec<Spanned<Port>>,
    pub(super) networks: Vec<Spanned<Network>>,
    pub(super) tunnels: Vec<Spanned<Tunnel>>,
}

/// `[switch]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Switch {
    pub(super) name: Text,
    pub(super) socket: Option<Text>,
    pub(super) vhost_dir: Option<Text>,
    pub(super) vhost_group: Option<Spanned<Account>>,
    pub(super) admins: Option<Vec<Spanned<Account>>>,
    #[serde(default)]
    pub(super) admin_groups: Vec<Spanned<Account>>,
    #[serde(default)]
    pub(super) readers: Vec<Spanned<Account>>,
    #[serde(default)]
    pub(super) reader_groups: Vec<Spanned<Account>>,
    pub(super) requests_per_s: Option<Int>,
    pub(super) requests_burst: Option<Int>,
    pub(super) connections_per_user: Option<Int>,
}

/// `[workers]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Workers {
    pub(super) cores: Option<Spanned<Vec<Int>>>,
    pub(super) count: Option<Int>,
    pub(super) idle: Option<Text>,
    pub(super) rest_max_us: Option<Int>,
    pub(super) cpu_latency_us: Option<Int>,
    pub(super) tap_coalesce_us: Option<Int>,
    pub(super) burst: Option<Int>,
}

/// `[memory]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Memory {
    pub(super) hugepages: Option<Text>,
    pub(super) frames: Option<Int>,
    pub(super) buffer: Option<Int>,
    pub(super) super_frames: Option<Int>,
    pub(super) numa: Option<Int>,
    pub(super) eal: Option<Vec<Text>>,
}

/// `[tables]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tables {
    pub(super) flows_max: Option<Int>,
    pub(super) macs_max: Option<Int>,
    pub(super) flow_idle_s: Option<Int>,
}

/// `[[port]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Port {
    pub(super) name: Text,
    pub(super) kind: Text,
    pub(super) role: Option<Text>,
    pub(super) device: Option<Text>,
    pub(super) netns: Option<Text>,
    pub(super) interface: Option<Text>,
    pub(super) socket: Option<Text>,
    pub(super) mode: Option<Text>,
    pub(super) socket_owner: Option<Spanned<Account>>,
    pub(super) socket_group: Option<Spanned<Account>>,
    pub(super) socket_mode: Option<Text>,
    pub(super) mac: Option<Text>,
    pub(super) mtu: Option<Int>,
    #[serde(default)]
    pub(super) addresses: Vec<Text>,
    pub(super) gateway: Option<Text>,
    pub(super) gateway6: Option<Text>,
    pub(super) queues: Option<Int>,
    pub(super) workers: Option<Spanned<Vec<Int>>>,
    pub(super) rx_descriptors: Option<Int>,
    pub(super) tx_descriptors: Option<Int>,
    pub(super) network: Option<Text>,
    pub(super) trunk: Option<Spanned<Vec<Spanned<Trunk>>>>,
    pub(super) vlan: Option<Int>,
    pub(super) storm_max: Option<Int>,
    pub(super) offloads: Option<Flag>,
    pub(super) anti_spoof: Option<Flag>,
    pub(super) allow: Option<Spanned<Vec<Text>>>,
    pub(super) allow_macs: Option<Spanned<Vec<Text>>>,
}

/// One entry of `trunk` in `[[port]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trunk {
    pub(super) vlan: Int,
    pub(super) network: Text,
}

/// `[[network]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Network {
    pub(super) name: Text,
    pub(super) vni: Int,
    pub(super) mtu: Option<Int>,
    pub(super) mss_clamp: Option<Spanned<bool>>,
    pub(super) macs_max: Option<Int>,
    pub(super) age_s: Option<Int>,
    pub(super) flow_key: Option<Text>,
    #[serde(default)]
    pub(super) tunnels: Vec<Text>,
    #[serde(default, rename = "static")]
    pub(super) statics: Vec<Spanned<Static>>,
}

/// One entry of `static` in `[[network]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Static {
    pub(super) mac: Text,
    pub(super) port: Option<Text>,
    pub(super) tunnel: Option<Text>,
}

/// `[[tunnel]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tunnel {
    pub(super) name: Text,
    pub(super) uplink: Option<Text>,
    pub(super) uplinks: Option<Spanned<Vec<Text>>>,
    pub(super) multipath: Option<Text>,
    pub(super) remote: Text,
    pub(super) local: Option<Text>,
    pub(super) port: Option<Int>,
    pub(super) ttl: Option<Int>,
    pub(super) df: Option<bool>,
    pub(super) checksum: Option<Flag>,
    pub(super) udp6_zero_checksum_tx: Option<Flag>,
    pub(super) udp6_zero_checksum_rx: Option<Flag>,
    pub(super) dscp: Option<Spanned<Dscp>>,
    pub(super) next_hop_mac: Option<Text>,
}

/// A code point by number, or a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dscp {
    Word(String),
    Number(i64),
}

impl<'de> Deserialize<'de> for Dscp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Account::deserialize(deserializer)? {
            Account::Name(word) => Dscp::Word(word),
            Account::Id(number) => Dscp::Number(number),
        })
    }
}

/// A user or a group, by name or by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Account {
    Name(String),
    Id(i64),
}

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrId;

        impl Visitor<'_> for NameOrId {
            type Value = Account;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a name or a number")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Account, E> {
                Ok(Account::Name(name.to_owned()))
            }

            fn visit_i64<E: Error>(self, id: i64) -> Result<Account, E> {
                Ok(Account::Id(id))
            }
        }

        deserializer.deserialize_any(NameOrId)
    }
}
