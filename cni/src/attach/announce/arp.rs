//! Gratuitous ARP from a packet socket, for a carrier that came after the kernel's own.
#![allow(
    unsafe_code,
    reason = "no safe wrapper knows the address of a packet socket, sockaddr_ll"
)]

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use hardwire_pci::MacAddr;

const BROADCAST: [u8; 6] = [0xff; 6];

/// Announces each address from the interface with this index, in the calling thread's namespace.
pub(super) fn send(index: u32, mac: MacAddr, addresses: &[Ipv4Addr]) -> io::Result<()> {
    let socket = open()?;
    addresses
        .iter()
        .try_for_each(|address| send_to(&socket, index, &gratuitous_arp(mac, *address)))
}

/// An ARP request of an address for itself.
fn gratuitous_arp(mac: MacAddr, address: Ipv4Addr) -> [u8; 28] {
    let mut packet = [0; 28];
    // Ethernet, IPv4, lengths of both, request.
    packet[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
    packet[8..14].copy_from_slice(&mac.0);
    packet[14..18].copy_from_slice(&address.octets());
    packet[18..24].copy_from_slice(&BROADCAST);
    packet[24..28].copy_from_slice(&address.octets());
    packet
}

fn open() -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the descriptor that comes back is nobody else's.
    unsafe {
        match libc::socket(libc::AF_PACKET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

fn send_to(socket: &OwnedFd, index: u32, packet: &[u8]) -> io::Result<()> {
    let too_long = |_too_long| io::Error::from(io::ErrorKind::InvalidInput);
    let mut hardware = [0; 8];
    hardware[..6].copy_from_slice(&BROADCAST);
    let address = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).map_err(too_long)?,
        sll_protocol: u16::try_from(libc::ETH_P_ARP).map_err(too_long)?.to_be(),
        sll_ifindex: i32::try_from(index).map_err(too_long)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: hardware,
    };
    let length = libc::socklen_t::try_from(size_of_val(&address)).map_err(too_long)?;
    // SAFETY: both pointers are to live values of the lengths given.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            packet.as_ptr().cast(),
            packet.len(),
            0,
            (&raw const address).cast(),
            length,
        )
    };
    if sent == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arp_packet_is_a_request_for_the_senders_own_address() {
        let packet = gratuitous_arp(MacAddr([2, 0, 0, 0, 0, 0xaa]), Ipv4Addr::new(10, 1, 0, 5));
        let expected = [
            0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 0xaa, 10, 1, 0, 5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 10, 1, 0, 5,
        ];
        assert_eq!(packet, expected);
    }
}
