//! Asks a person at the terminal, where there is one.

use std::io;
use std::io::BufRead;
use std::io::IsTerminal;

use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::plugin::install::rights::Choices;
use crate::plugin::install::rights::Item;
use crate::plugin::manifest::Manifest;

/// Whether somebody can be asked.
pub(super) fn is_somebody_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for one line. Nothing when the input ends.
pub(super) fn line(question: &str) -> String {
    output::error_part(format!("{question} "));
    let mut answer = String::new();
    // No answer is an answer: no.
    let _ = io::stdin().lock().read_line(&mut answer);
    answer.trim().to_owned()
}

/// Asks a question that is answered by yes or no; everything else is a no.
pub(super) fn yes(question: &str) -> bool {
    matches!(line(&format!("{question} [y/N]")).as_str(), "y" | "Y" | "yes")
}

/// What the command line decides about rights.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct RightOptions {
    /// Grant something: DATABASE=read, INTERFACE, INTERFACE=EXTENT, hook:EVENT=audit; may be given several times
    #[arg(long, value_name = "WHAT")]
    grant: Vec<String>,
    /// Deny something that the plugin asks for; may be given several times
    #[arg(long, value_name = "WHAT")]
    deny: Vec<String>,
    /// Grant what else it asks for, but no database, no network and no secret
    #[arg(long)]
    yes: bool,
    /// Hold the grant to exactly these files, so that every other version has to be approved
    #[arg(long)]
    pub(super) bind_artifact: bool,
}

impl RightOptions {
    /// Whether anything is decided by them.
    pub(super) fn decide_something(&self) -> bool {
        !self.grant.is_empty() || !self.deny.is_empty() || self.bind_artifact
    }

    /// Completes `choices` about what `manifest` asks for: by the options, then by asking.
    ///
    /// # Errors
    ///
    /// Options that make no sense, and rights that nobody decides about.
    pub(super) fn complete(&self, mut choices: Choices, manifest: &Manifest) -> Result<Choices, Failure> {
        let usage = |text: String| Failure::new(Exit::Usage, text);
        for text in &self.grant {
            choices.grant(text, manifest).map_err(usage)?;
        }
        for key in &self.deny {
            choices.deny(key, manifest).map_err(usage)?;
        }
        let mut left = Vec::new();
        for item in choices.undecided(manifest) {
            if self.yes && item.by_yes {
                choices.grant(&item.key, manifest).map_err(usage)?;
            } else if is_somebody_there() {
                ask(&item, &mut choices, manifest);
            } else {
                left.push(item);
            }
        }
        if left.is_empty() {
            return Ok(choices);
        }
        let keys: Vec<&str> = left.iter().map(|item| item.key.as_str()).collect();
        let ways: Vec<String> = left.iter().map(|item| format!("`{}` or `--deny {}`", item.example, item.key)).collect();
        Err(Failure::new(Exit::Usage, format!("nothing is decided about {}, which the plugin asks for", keys.join(", ")))
            .next(format!("say {}", ways.join("; "))))
    }
}

/// Shows one thing that is asked for and takes the answer.
fn ask(item: &Item, choices: &mut Choices, manifest: &Manifest) {
    output::error_line(format!("\nIt asks for {}:", item.what));
    for reason in &item.reasons {
        output::error_line(format!("  {}", reason.escape_debug()));
    }
    if item.key != "databases" {
        let decided = if yes("Grant it?") { choices.grant(&item.key, manifest) } else { choices.deny(&item.key, manifest) };
        return decided.unwrap_or_else(output::error_line);
    }
    loop {
        let answer = line("Which databases, as NAME=read? Several with spaces between; nothing for none:");
        let granted = answer.split_whitespace().try_for_each(|text| choices.grant(text, manifest));
        match granted {
            Ok(()) if answer.is_empty() => return choices.deny(&item.key, manifest).unwrap_or_else(output::error_line),
            Ok(()) => return,
            Err(problem) => output::error_line(problem),
        }
    }
}
