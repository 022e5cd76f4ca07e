use std::fs::File;
use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;

pub(crate) fn completions(shell: Shell) -> anyhow::Result<()> {
    clap_complete::generate(shell, &mut Cli::command(), "forecall", &mut std::io::stdout());
    Ok(())
}

pub(crate) fn pages(out: Option<&Path>) -> anyhow::Result<()> {
    let Some(folder) = out else {
        return Ok(clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?);
    };
    std::fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    let whole = Cli::command();
    page(folder, "forecall", whole.clone())?;
    for command in whole.get_subcommands().filter(|c| !c.is_hide_set()) {
        page(
            folder,
            &format!("forecall-{}", command.get_name()),
            command.clone(),
        )?;
    }
    Ok(())
}

fn page(folder: &Path, name: &str, command: clap::Command) -> anyhow::Result<()> {
    let path = folder.join(format!("{name}.1"));
    let mut file = File::create(&path).with_context(|| format!("failed to create {}", path.display()))?;
    // A page's name must live as long as the program; a handful of them are made, once.
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    Ok(clap_mangen::Man::new(command.name(name)).render(&mut file)?)
}
