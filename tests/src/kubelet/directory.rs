//! The kubelet's directory: what a start removes from it, and the sockets it makes in it.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use hardwire_proto::deviceplugin::KUBELET_SOCKET;
use hardwire_proto::deviceplugin::registration_server::RegistrationServer;
use hardwire_proto::podresources;
use hardwire_proto::podresources::pod_resources_lister_server::PodResourcesListerServer;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;

use super::Shared;
use super::podresources::PodResources;
use super::registration::Registration;

/// Starts both services, in the runtime that the caller has entered.
pub(super) fn serve(shared: &Shared) -> io::Result<()> {
    let plugins = shared.plugin_directory();
    let pods = shared.directory.join(podresources::SOCKET);
    fs::create_dir_all(&plugins)?;
    fs::create_dir_all(pods.parent().unwrap_or(&pods))?;
    remove_sockets(&plugins)?;
    remove_if_there(&pods)?;

    let lister = PodResourcesListerServer::new(PodResources(shared.clone()));
    let listener = UnixListener::bind(&pods)?;
    let server = Server::builder().add_service(lister);
    tokio::spawn(server.serve_with_incoming(UnixListenerStream::new(listener)));

    let registration = RegistrationServer::new(Registration(shared.clone()));
    let listener = UnixListener::bind(plugins.join(KUBELET_SOCKET))?;
    let server = Server::builder().add_service(registration);
    tokio::spawn(server.serve_with_incoming(UnixListenerStream::new(listener)));
    shared.tell(&format!("kubelet started in {}", shared.directory.display()));
    Ok(())
}

/// Removes what a clean end removes.
pub(super) fn remove_own_sockets(directory: &Path) {
    let plugins = directory.join(hardwire_proto::deviceplugin::DIRECTORY);
    for socket in [plugins.join(KUBELET_SOCKET), directory.join(podresources::SOCKET)] {
        // There is nobody to tell; the next start removes it too.
        let _ = fs::remove_file(socket);
    }
}

/// Every socket directly in the directory, of whomever it is; other files stay (`ManagerImpl.removeContents`).
fn remove_sockets(directory: &Path) -> io::Result<()> {
    // All names first: what appears meanwhile is not removed.
    let entries: Vec<fs::DirEntry> = fs::read_dir(directory)?.collect::<Result<_, _>>()?;
    for entry in entries {
        match entry.file_type() {
            Ok(kind) if kind.is_socket() => remove_if_there(&entry.path())?,
            _ => {}
        }
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
