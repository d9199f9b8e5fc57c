//! What the kernel tells about links, addresses, routes and VFs, and the one small synchronous socket to ask with.
//!
//! Why not an async stack: `hardwire` lives for milliseconds, enters namespaces by thread, and must report the kernel's
//! own explanation of a refusal (extack), which the async crates drop. Contract: rtnetlink(7), netlink(7),
//! `include/uapi/linux/{netlink,rtnetlink,if_link}.h`. Only questions are here; messages that change something are
//! built in `hardwire-cni` and sent through the same [`Socket`].

mod addresses;
mod attributes;
mod devlink;
mod error;
mod kept;
mod link_settings;
mod links;
mod messages;
mod netns_number;
mod notices;
mod routes;
mod socket;
mod vf_list;
mod vfs;
mod watch;

pub use addresses::InterfaceAddress;
pub use devlink::{Devlink, DevlinkMessage};
pub use error::{NetlinkError, errno_name};
pub use kept::{Kept, KeptKind};
pub use link_settings::{LinkSettings, OffloadLimits, XdpMode, XdpProgram};
pub use links::{Link, LinkFlags};
#[cfg(any(test, fuzzing))]
pub(crate) use notices::notices_in;
pub use notices::{Notice, Notices};
pub use routes::{DefaultRoute, RouteEntry};
pub use socket::{Change, RefusedChange, Socket};
pub use vfs::{VfLinkState, VfState, VlanProtocol};
pub use watch::{Group, Watch};
