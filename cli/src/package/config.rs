//! The excerpts of IIS's configuration.

use super::Package;
use super::text::xml;

/// Where the scripts put the DLL, unless they are told otherwise. It is written out, because `%ProgramFiles%` is
/// another folder for a 32-bit worker process.
pub(super) fn image(stem: &str, version: &str, dll: &str) -> String {
    format!(r"C:\Program Files\Bivalve\{stem}\{version}\{dll}")
}

/// What belongs into `applicationHost.config`.
pub(super) fn application_host(package: &Package, image: &str, condition: &str) -> String {
    let mut text = String::from(
        "<!-- An excerpt: what install.ps1 adds to %windir%\\System32\\inetsrv\\config\\applicationHost.config.\n     Only an administrator can register a native module, and only here. -->\n<configuration>\n  <system.webServer>\n    <globalModules>\n",
    );
    for name in &package.names {
        text.push_str(&format!(
            "      <add name=\"{}\" image=\"{}\" preCondition=\"{condition}\" />\n",
            xml(name.as_str()),
            xml(image)
        ));
    }
    text.push_str("    </globalModules>\n  </system.webServer>\n");
    for site in &package.sites {
        text.push_str(&format!("  <location path=\"{}\">\n", xml(site.as_str())));
        text.push_str(&web_server(package, condition, "    "));
        text.push_str("  </location>\n");
    }
    text.push_str("</configuration>\n");
    text
}

/// What belongs into a site's `web.config`, where its owner enables the module.
pub(super) fn web(package: &Package, condition: &str) -> String {
    format!(
        "<!-- An excerpt, for a site whose owner enables the module. The server's administrator registers it first, and\n     may have locked these sections. With install.ps1 -Site this is not needed. -->\n<configuration>\n{}</configuration>\n",
        web_server(package, condition, "  ")
    )
}

fn web_server(package: &Package, condition: &str, indent: &str) -> String {
    let mut text = format!("{indent}<system.webServer>\n{indent}  <modules>\n");
    for name in &package.names {
        let name = xml(name.as_str());
        text.push_str(&format!("{indent}    <add name=\"{name}\" preCondition=\"{condition}\" />\n"));
    }
    text.push_str(&format!("{indent}  </modules>\n"));
    if !package.handlers.is_empty() {
        text.push_str(&format!("{indent}  <handlers>\n"));
        text.push_str(&format!("{indent}    <!-- Above StaticFile, which matches everything. -->\n"));
        for handler in &package.handlers {
            text.push_str(&format!(
                "{indent}    <add name=\"{0}\" path=\"{1}\" verb=\"*\" modules=\"{0}\" resourceType=\"Unspecified\" requireAccess=\"None\" preCondition=\"{condition}\" />\n",
                xml(handler.name().as_str()),
                xml(handler.path())
            ));
        }
        text.push_str(&format!("{indent}  </handlers>\n"));
    }
    text.push_str(&format!("{indent}</system.webServer>\n"));
    text
}
