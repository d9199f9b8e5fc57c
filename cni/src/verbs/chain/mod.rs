//! Our entry in the list of the default network: the verbs for all attachments of a pod at once.
//!
//! On ADD the node says which there are ([`pods`]); each is made as a NAD's would be, with a record of its own that names this
//! call. Where another plugin comes before us, its result is passed on with our interfaces added. Where none does, the pod's
//! first attachment is its `eth0`. DEL needs nothing of this: it goes by the records.

mod add;
mod check;
mod pods;
mod standing;
mod status;
mod stdin;

pub(super) use add::add;
pub(super) use check::check;
pub(super) use status::status;
