//! Reading sysfs below an injectable root, so that tests and the synthetic node use a tree of files.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::{CWD, Dir, Mode, OFlags, RawDir};
use rustix::io::Errno;

use crate::exhaustion::noted;
use crate::ifname::IfName;

/// No attribute of sysfs is longer than a page (Documentation/filesystems/sysfs.rst, "Reading/Writing Attribute Data").
const PAGE: usize = 4096;

/// A sysfs tree; `/sys` in production.
#[derive(Debug, Clone)]
pub struct Sysfs {
    root: PathBuf,
}

/// A directory of the tree, opened once: a node may have a thousand devices, and most of what reading one costs is finding its
/// directory again for each of its files.
#[derive(Debug)]
pub(crate) struct Directory {
    descriptor: OwnedFd,
    path: PathBuf,
}

/// A file of the tree that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SysfsError {
    /// The system says so.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Its content is not what the kernel's documentation says.
    #[error("{}: {text:?} is not {expected}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What it holds.
        text: String,
        /// What it should hold.
        expected: &'static str,
    },
}

impl SysfsError {
    /// Whether the file or directory is simply not there.
    pub fn is_missing(&self) -> bool {
        // A device that goes away while one of its files is open makes the read fail with ENODEV.
        let gone = |source: &io::Error| source.raw_os_error() == Some(Errno::NODEV.raw_os_error());
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound || gone(source))
    }
}

impl Default for Sysfs {
    fn default() -> Self {
        Self::at("/sys")
    }
}

impl Sysfs {
    /// The tree below `root`, which stands for `/sys`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The path of something in the tree. Callers join typed names only.
    pub fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.root.join(below)
    }

    /// Whether the tree is the kernel's and no synthetic one: then the sysfs of another namespace gives an interface the same
    /// numbers.
    pub fn is_the_kernels(&self) -> bool {
        /// `SYSFS_MAGIC` (include/uapi/linux/magic.h).
        const MAGIC: u64 = 0x6265_6572;
        rustix::fs::statfs(&self.root).is_ok_and(|stat| u64::try_from(stat.f_type) == Ok(MAGIC))
    }

    /// An attribute's text without its line end.
    pub fn text(&self, file: &Path) -> Result<String, SysfsError> {
        read(file).map_err(|source| SysfsError::Io {
            path: file.to_owned(),
            source,
        })
    }

    /// An attribute's text, `None` where there is no such attribute or the driver refuses to show it.
    pub fn optional_text(&self, file: &Path) -> Option<String> {
        self.text(file).ok().filter(|text| !text.is_empty())
    }

    /// A decimal attribute.
    pub fn number<T: FromStr>(&self, file: &Path) -> Result<T, SysfsError> {
        let text = self.text(file)?;
        number(text, file)
    }

    /// A hexadecimal attribute as the kernel prints ids, `0x8086`, without the prefix and in `digits` digits.
    pub fn hex(&self, file: &Path, digits: usize) -> Result<u32, SysfsError> {
        hex(self.text(file)?, digits, file)
    }

    /// The last part of what a symbolic link points to; `None` if there is no such link.
    pub fn link_name(&self, link: &Path) -> Option<String> {
        let target = fs::read_link(link).ok()?;
        target.file_name()?.to_str().map(str::to_owned)
    }

    /// The names in a directory, sorted; empty where there is none.
    pub fn names(&self, directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).map_err(noted);
        let entries = entries.into_iter().flatten().filter_map(Result::ok);
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort_unstable();
        names
    }

    /// The names in the directory of an interface, with the interface's index: both of the same one, whatever is renamed
    /// meanwhile, since what was opened stays the same interface.
    pub fn interface(&self, name: &IfName) -> Result<(u32, Vec<String>), SysfsError> {
        let path = self.path("class/net").join(name.as_str());
        let failed = |below: &str| {
            let path = path.join(below);
            move |errno: Errno| SysfsError::Io {
                path: path.clone(),
                source: noted(errno),
            }
        };
        let directory = open_directory(CWD, &path).map_err(failed(""))?;
        let index = rustix::fs::openat(&directory, "ifindex", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let text = read_open(&index.map_err(failed("ifindex"))?).map_err(|source| SysfsError::Io {
            path: path.join("ifindex"),
            source,
        })?;
        let index = text.parse().map_err(|_not_a_number| SysfsError::Content {
            path: path.join("ifindex"),
            text: text.clone(),
            expected: "a number in range",
        })?;
        let mut names = Vec::new();
        for entry in Dir::new(directory).map_err(failed(""))? {
            names.push(entry.map_err(failed(""))?.file_name().to_string_lossy().into_owned());
        }
        Ok((index, names))
    }
}

// === impl Directory ===

impl Directory {
    /// Opens it.
    pub(crate) fn open(path: PathBuf) -> Result<Self, SysfsError> {
        Self::opened(open_directory(CWD, &path), path)
    }

    /// Opens one in it, without looking for this one again.
    pub(crate) fn below(&self, name: &str) -> Result<Self, SysfsError> {
        Self::opened(open_directory(&self.descriptor, Path::new(name)), self.path.join(name))
    }

    fn opened(descriptor: Result<OwnedFd, Errno>, path: PathBuf) -> Result<Self, SysfsError> {
        match descriptor {
            Ok(descriptor) => Ok(Self { descriptor, path }),
            Err(errno) => Err(SysfsError::Io {
                path,
                source: noted(errno),
            }),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// An attribute's text without its line end.
    pub(crate) fn text(&self, name: &str) -> Result<String, SysfsError> {
        let file = rustix::fs::openat(&self.descriptor, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let text = file.map_err(noted).and_then(|file| read_open(&file));
        text.map_err(|source| SysfsError::Io {
            path: self.path.join(name),
            source,
        })
    }

    /// An attribute's text, `None` where there is no such attribute or the driver refuses to show it.
    pub(crate) fn optional_text(&self, name: &str) -> Option<String> {
        self.text(name).ok().filter(|text| !text.is_empty())
    }

    /// A decimal attribute.
    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Result<T, SysfsError> {
        number(self.text(name)?, &self.path.join(name))
    }

    /// An id without its prefix, in `digits` digits ([`Sysfs::hex`]).
    pub(crate) fn hex(&self, name: &str, digits: usize) -> Result<u32, SysfsError> {
        hex(self.text(name)?, digits, &self.path.join(name))
    }

    /// The last part of what a symbolic link points to; `None` if there is no such link.
    pub(crate) fn link_name(&self, name: &str) -> Option<String> {
        let mut buffer = [MaybeUninit::uninit(); PAGE];
        let (target, _) = rustix::fs::readlinkat_raw(&self.descriptor, name, &mut buffer).ok()?;
        let name = Path::new(std::str::from_utf8(target).ok()?).file_name()?;
        name.to_str().map(str::to_owned)
    }

    /// Tells each of the names in it, in no order.
    pub(crate) fn each_name(&self, mut tell: impl FnMut(&str)) {
        let mut buffer = [MaybeUninit::uninit(); 2 * PAGE];
        let mut entries = RawDir::new(&self.descriptor, &mut buffer);
        while let Some(Ok(entry)) = entries.next() {
            match entry.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => tell(name),
            }
        }
    }
}

fn open_directory(at: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(at, path, flags, Mode::empty())
}

fn number<T: FromStr>(text: String, file: &Path) -> Result<T, SysfsError> {
    text.parse().map_err(|_not_a_number| SysfsError::Content {
        path: file.to_owned(),
        text,
        expected: "a number in range",
    })
}

fn hex(text: String, digits: usize, file: &Path) -> Result<u32, SysfsError> {
    let number = text
        .strip_prefix("0x")
        .filter(|hex| hex.len() == digits && hex.bytes().all(|b| b.is_ascii_hexdigit()))
        .and_then(|hex| u32::from_str_radix(hex, 16).ok());
    number.ok_or_else(|| SysfsError::Content {
        path: file.to_owned(),
        text,
        expected: "a hexadecimal id",
    })
}

/// One attribute, in three system calls: an attachment reads many, and a `File` costs it several more for each.
fn read(file: &Path) -> io::Result<String> {
    let descriptor = rustix::fs::open(file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(noted)?;
    read_open(&descriptor)
}

/// The text without its line end.
fn read_open(descriptor: &OwnedFd) -> io::Result<String> {
    let mut page = [0; PAGE];
    let mut length = 0;
    while length < PAGE {
        match rustix::io::read(descriptor, &mut page[length..]) {
            Ok(0) => break,
            // The kernel gives an attribute whole, with its line end; a tree of files may not have one.
            Ok(more) if page[..length + more].ends_with(b"\n") => {
                length += more;
                break;
            }
            Ok(more) => length += more,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    let text = std::str::from_utf8(&page[..length]).map_err(|_bytes| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok(text.trim_end().to_owned())
}
