//! What a container gets with one device of a pool.

use crate::config::{Needs, Pool};
use crate::container::device_info::device_info;
use crate::container::{Characters, Document, HostPaths, Member, Node, Shared, info};

/// What a container gets with a device, and what others are told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// What containers are told of it, as JSON.
    pub info: String,
    /// Its device nodes.
    pub nodes: Vec<Node>,
    /// What Multus is told of it.
    pub device_info: Option<Document>,
    /// What its pool wants, where some of that was not there.
    pub(super) lacks: Option<Needs>,
}

// === impl Given ===

impl Given {
    /// Reads from sysfs what a container gets with a device.
    pub(super) fn read(pool: &Pool, member: &Member<'_>, host_paths: &HostPaths, shared: &Shared) -> Self {
        let characters = Characters::read(&host_paths.sysfs, shared, member);
        Self {
            info: info(pool, member, &characters),
            nodes: characters.nodes(),
            device_info: device_info(&host_paths.publisher.device_info, pool, member, &characters),
            lacks: (!characters.has_all(member.needs)).then_some(member.needs),
        }
    }
}
