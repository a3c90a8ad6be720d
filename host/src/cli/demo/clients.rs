//! How common clients are connected, with the paths and addresses of this machine filled in.

use serde_json::json;

/// What to paste where. `database` is `NAME=URL`.
pub(super) fn snippets(url: &str, program: &str, database: &str) -> String {
    let arguments = ["serve", "--stdio", "--database", database];
    let stdio = json!({ "command": program, "args": arguments });
    let command = format!("{} serve --stdio --database {}", quoted(program), quoted(database));
    let toml_arguments = arguments.map(|argument| format!("{argument:?}")).join(", ");
    format!(
        "Connect a client. It starts Tidegate itself (stdio), or uses the one that runs (HTTP, {url}).\n\
         \n\
         Claude Desktop: in claude_desktop_config.json (Settings, Developer, Edit Config)\n\
         {desktop}\n\
         \n\
         Claude Code\n  \
           claude mcp add tidegate -- {command}\n  \
           claude mcp add --transport http tidegate {url}\n\
         \n\
         Cursor: in ~/.cursor/mcp.json\n\
         {desktop}\n\
         {cursor_http}\n\
         \n\
         VS Code: in .vscode/mcp.json\n\
         {code_stdio}\n\
         {code_http}\n\
         \n\
         Codex CLI: in ~/.codex/config.toml\n  \
           [mcp_servers.tidegate]\n  \
           command = {program:?}\n  \
           args = [{toml_arguments}]\n  \
           # or: url = \"{url}\"\n",
        desktop = indented(&json!({ "mcpServers": { "tidegate": stdio } })),
        cursor_http = indented(&json!({ "mcpServers": { "tidegate": { "url": url } } })),
        code_stdio = indented(&json!({ "servers": { "tidegate": { "type": "stdio", "command": program, "args": arguments } } })),
        code_http = indented(&json!({ "servers": { "tidegate": { "type": "http", "url": url } } })),
    )
}

fn indented(value: &serde_json::Value) -> String {
    format!("  {value}")
}

/// A word of a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_gets_the_real_program_and_database() {
        let text = snippets("http://127.0.0.1:1/mcp", "/opt/my tools/tidegate", "shop=sqlite:/tmp/shop.sqlite");
        for client in ["Claude Desktop", "Claude Code", "Cursor", "VS Code", "Codex CLI"] {
            assert!(text.contains(client), "{client}");
        }
        assert!(
            text.contains("claude mcp add tidegate -- '/opt/my tools/tidegate' serve --stdio --database shop=sqlite:/tmp/shop.sqlite\n")
        );
        assert!(text.contains(r#"args = ["serve", "--stdio", "--database", "shop=sqlite:/tmp/shop.sqlite"]"#));
    }
}
