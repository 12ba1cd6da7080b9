//! Bytes that a client sends to the web server, of an inventory that was read.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::LazyLock;
use std::time::Duration;

use tokio::net::TcpSocket;

use super::Server;

static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

pub fn request(bytes: &[u8]) {
    let Server { runtime, house, served } = &*SERVER;
    let before = house.inventory.generation();
    let answer = runtime.block_on(sent(served.address, bytes));
    assert_eq!(house.inventory.generation(), before, "nobody writes by the web");
    let text = String::from_utf8_lossy(&answer);
    for head in text.split("HTTP/1.1 ").skip(1).filter(|head| head.contains("\r\n\r\n")) {
        let status: u16 = head.get(..3).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {head:?}"));
        assert!(status != 500 && (200..600).contains(&status), "{status} for {:?}", String::from_utf8_lossy(bytes));
    }
}

/// What the server answers to bytes that end. The connections come from many addresses of this machine: of one alone the ports
/// would soon be used up.
async fn sent(server: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let from = bytes.iter().fold(2u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte));
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, from, 2)), 0)).unwrap();
    let stream = socket.connect(server).await.unwrap().into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let bytes = bytes.to_vec();
    tokio::task::spawn_blocking(move || {
        let mut stream = stream;
        // A request that is too long may be refused before all of it is written.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) => assert!(error.kind() == std::io::ErrorKind::ConnectionReset, "{error}"),
        }
        answer
    })
    .await
    .unwrap()
}
