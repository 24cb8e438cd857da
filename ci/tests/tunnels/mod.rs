//! A proxy that speaks HTTP CONNECT and SOCKS5 at one port. Wherever it is asked to go, it goes to one server on loopback.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// A proxy.
pub struct Tunnels {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tunnels {
    /// A proxy whose tunnels lead to `server`; with a certificate it speaks TLS itself.
    pub fn to(server: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (noted, (told, heard)) = (asked.clone(), mpsc::channel());
        thread::spawn(move || {
            Runtime::new().unwrap().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                while let Ok((near, _)) = listener.accept().await {
                    let (noted, tls) = (noted.clone(), tls.clone());
                    tokio::spawn(async move {
                        match tls {
                            Some(tls) => serve(tls.accept(near).await?, server, &noted).await,
                            None => serve(near, server, &noted).await,
                        }
                    });
                }
            });
        });
        Self { address: heard.recv().unwrap(), asked }
    }

    /// What it has been asked for, a line a tunnel.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve<T>(mut near: T, server: SocketAddr, noted: &Mutex<Vec<String>>) -> io::Result<()>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let first = near.read_u8().await?;
    let (asked, granted) = if first == 5 { by_socks(&mut near).await? } else { by_connect(&mut near, first).await? };
    noted.lock().unwrap().push(asked);
    let mut far = TcpStream::connect(server).await?;
    near.write_all(granted).await?;
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}

async fn by_connect<T>(near: &mut T, first: u8) -> io::Result<(String, &'static [u8])>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut head = vec![first];
    while !head.ends_with(b"\r\n\r\n") {
        head.push(near.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut asked = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    let credential = head.lines().find(|line| line.to_ascii_lowercase().starts_with("proxy-authorization:"));
    if let Some((_, credential)) = credential.and_then(|line| line.split_once(':')) {
        asked = format!("{asked} as{credential}");
    }
    // As many proxies still say it.
    Ok((asked, b"HTTP/1.0 200 Connection established\r\n\r\n"))
}

async fn by_socks<T>(near: &mut T) -> io::Result<(String, &'static [u8])>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let methods = text(near).await?;
    let mut who = String::new();
    if methods.contains('\u{2}') {
        near.write_all(&[5, 2]).await?;
        near.read_u8().await?;
        who = format!(" as {}:{}", text(near).await?, text(near).await?);
        near.write_all(&[1, 0]).await?;
    } else {
        near.write_all(&[5, 0]).await?;
    }
    let mut request = [0; 4];
    near.read_exact(&mut request).await?;
    let host = if request[3] == 3 {
        text(near).await?
    } else {
        let mut octets = [0; 4];
        near.read_exact(&mut octets).await?;
        std::net::Ipv4Addr::from(octets).to_string()
    };
    let port = near.read_u16().await?;
    Ok((format!("SOCKS5 {host}:{port}{who}"), &[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]))
}

/// Bytes after their number.
async fn text<T: AsyncRead + Unpin>(near: &mut T) -> io::Result<String> {
    let mut bytes = vec![0; usize::from(near.read_u8().await?)];
    near.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
