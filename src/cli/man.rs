//! `keymuster man`: the man page, one for all commands, out of the definitions that read the arguments.

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::args::{Arguments, CONFIG};
use super::exit::Exit;
use super::output::Output;

/// The folder of the package's documents.
const DOCUMENTS: &str = "/usr/share/doc/keymuster/";

/// A page has a date's place; ours belongs to a version. Empty, roff would take the next argument for it.
const DATE: &str = "\u{a0}";

/// Prints it.
///
/// # Errors
/// Standard output cannot be written.
pub fn man() -> anyhow::Result<Exit> {
    Output::new().text(&String::from_utf8(page()?)?)?;
    Ok(Exit::Ok)
}

fn page() -> std::io::Result<Vec<u8>> {
    let mut program = Arguments::command().disable_help_subcommand(true).disable_help_flag(true);
    program.build();
    let mut page = Vec::new();
    let whole = Man::new(program.clone()).date(DATE).manual("User Commands");
    whole.render_title(&mut page)?;
    // clap's sentence is one; the line of a page's name is none.
    let about = program.get_about().map(ToString::to_string).unwrap_or_default();
    let mut roff = Roff::new();
    roff.control("SH", ["NAME"]).text([roman(format!("keymuster - {}", about.trim_end_matches('.')))]);
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([bold("keymuster"), roman(" "), italic("COMMAND"), roman(" ["), italic("OPTIONS"), roman("]")]);
    roff.to_writer(&mut page)?;
    whole.render_description_section(&mut page)?;
    Roff::new().control("SH", ["COMMANDS"]).to_writer(&mut page)?;
    describe(&program, &mut page)?;
    ending().to_writer(&mut page)?;
    Ok(page)
}

/// Every command below this one, in the order of the help.
fn describe(parent: &Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    for command in parent.get_subcommands().filter(|command| !command.is_hide_set()) {
        if command.has_subcommands() {
            describe(command, page)?;
            continue;
        }
        let mut roff = Roff::new();
        let usage = command.clone().render_usage().to_string();
        roff.control("SS", [usage.trim_start_matches("Usage: ")]);
        roff.text([roman(format!("{}.", command.get_about().map(ToString::to_string).unwrap_or_default()))]);
        roff.to_writer(page)?;
        // Below the command, not a section of the page.
        let mut options = Vec::new();
        Man::new(command.clone()).render_options_section(&mut options)?;
        let options = String::from_utf8_lossy(&options);
        page.extend(options.split_once(".SH OPTIONS\n").map_or("", |(_, options)| options).bytes());
        closing(&command.get_after_help().map(ToString::to_string).unwrap_or_default()).to_writer(page)?;
    }
    Ok(())
}

/// What stands below a command's options: sentences, and lines that are typed, which are indented.
fn closing(text: &str) -> Roff {
    let mut roff = Roff::new();
    for line in text.lines() {
        match line.strip_prefix("  ") {
            // As it is: neither broken nor stretched.
            Some(typed) => roff.control("RS", []).control("EX", []).text([bold(typed)]).control("EE", []).control("RE", []),
            None if line.is_empty() => &mut roff,
            None => roff.control("PP", []).text([roman(line)]),
        };
    }
    roff
}

fn ending() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for exit in Exit::ALL {
        list(&mut roff, bold(exit.number().to_string()), exit.meaning());
    }
    roff.control("SH", ["ENVIRONMENT"]);
    list(
        &mut roff,
        bold("KEYMUSTER__SECTION__SETTING"),
        "Sets what the config would set there, but for secrets and lists of tables.",
    );
    list(&mut roff, bold("NO_COLOR"), "No colours on a terminal.");
    roff.control("SH", ["FILES"]);
    list(&mut roff, italic(CONFIG), "The config, unless --config names another.");
    list(
        &mut roff,
        italic("/etc/keymuster/credentials.d/"),
        "One file for each credential that systemd passes to the daemon: FILE is credential = \"key_FILE\" in the config.",
    );
    list(
        &mut roff,
        italic("/etc/keymuster/credentials.encrypted.d/"),
        "The same of files that systemd-creds encrypted: credential = \"encrypted_FILE\".",
    );
    list(
        &mut roff,
        italic("/var/lib/keymuster/inventory.db"),
        "The inventory, for the group keymuster to read; SELECT * FROM help explains it.",
    );
    list(&mut roff, italic(format!("{DOCUMENTS}examples/keymuster.example.toml")), "Every setting with its default.");
    list(&mut roff, italic(format!("{DOCUMENTS}runbook.md")), "What each alert means and what to do.");
    roff.control("SH", ["SEE ALSO"]);
    roff.text([
        bold("systemctl"),
        roman("(1), "),
        bold("systemd-creds"),
        roman("(1), "),
        bold("sqlite3"),
        roman("(1), "),
        bold("promtool"),
        roman("(1), "),
        italic(format!("{DOCUMENTS}README.md")),
    ]);
    roff
}

fn list(roff: &mut Roff, name: Inline, text: &str) {
    roff.control("TP", []).text([name]).text([roman(text)]);
}
