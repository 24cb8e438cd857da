//! `cargo xtask node-image`.

use anyhow::Result;

use crate::console;

pub(crate) async fn run() -> Result<()> {
    let progress = console::progress();
    ci::docker_engine::ensure(&*progress).await?;
    println!("{}", ci::node_image::ensure(&*progress).await?);
    Ok(())
}
