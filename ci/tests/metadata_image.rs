//! The metadata service's image in a real Docker engine.

use std::process::Command;
use std::time::{Duration, Instant};

/// Runs in a network namespace of its own, without any network: the address is taken there and nothing can leave it.
#[tokio::test]
#[ignore = "needs a Docker engine"]
async fn the_image_takes_the_address_and_ends_when_asked() {
    let image = ci::metadata_service::ensure_image(&|line: &str| println!("{line}")).await.expect("an image");
    let again = Instant::now();
    assert_eq!(ci::metadata_service::ensure_image(&|_: &str| panic!("it is there")).await.expect("an image"), image);
    assert!(again.elapsed() < Duration::from_secs(2), "{:?}", again.elapsed());

    let container = docker(&[
        "run",
        "--detach",
        "--network=none",
        "--cap-add=NET_ADMIN",
        "--sysctl=net.ipv6.conf.lo.disable_ipv6=0",
        &image,
        "--address=169.254.169.254",
        "--address=fd00:c1::a9fe:a9fe",
    ]);
    let _removed = Removed(&container);
    let patience = Instant::now() + Duration::from_secs(20);
    for address in ["169.254.169.254:80", "[fd00:c1::a9fe:a9fe]:80"] {
        let listening = format!(r#""event":"listening","address":"{address}""#);
        while !docker(&["logs", &container]).contains(&listening) {
            assert!(Instant::now() < patience, "it does not listen: {}", docker(&["logs", &container]));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    docker(&["stop", "--time=10", &container]);
    assert_eq!(docker(&["inspect", "--format={{.State.ExitCode}}", &container]), "0");

    let unentitled = docker(&["run", "--detach", "--network=none", &image]);
    let _removed = Removed(&unentitled);
    assert_eq!(docker(&["wait", &unentitled]), "1");
    let said = docker(&["logs", &unentitled]);
    assert!(said.contains("cannot add 169.254.169.254 (it takes NET_ADMIN)"), "{said}");
}

struct Removed<'container>(&'container str);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "--force", self.0]).output();
    }
}

/// What the command wrote, to either of its outputs.
fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("docker starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    assert!(output.status.success(), "docker {arguments:?}: {said}");
    said
}
