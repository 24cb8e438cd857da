//! Texts with `{{PLACEHOLDERS}}`.

use anyhow::{Result, bail};

/// Replaces every `{{NAME}}` that `values` knows.
///
/// # Errors
/// When a placeholder is left: half a manifest must not reach a cluster. `what` names the text in that error.
pub(crate) fn render(what: &str, text: &str, values: &[(&str, &str)]) -> Result<String> {
    let mut rendered = text.to_owned();
    for (name, value) in values {
        rendered = rendered.replace(&format!("{{{{{name}}}}}"), value);
    }
    if let Some(unknown) = placeholders(&rendered).next() {
        bail!("{what} has a placeholder that nothing fills: {{{{{unknown}}}}}");
    }
    Ok(rendered)
}

/// The names of the placeholders in a text. Only capitals count: braces are also Go templates and CEL.
pub(crate) fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{").skip(1).filter_map(|rest| {
        let (name, _) = rest.split_once("}}")?;
        let word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        (!name.is_empty() && name.chars().all(word)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_placeholders_are_filled_everywhere() {
        let text = render("text", "{{A}}-{{B2}}-{{A}}", &[("A", "1"), ("B2", "2")]).unwrap();
        assert_eq!(text, "1-2-1");
    }

    #[test]
    fn an_unknown_placeholder_is_an_error_that_names_text_and_placeholder() {
        let error = render("pod.yaml", "image: {{IMAGE}}", &[]).unwrap_err().to_string();
        assert_eq!(error, "pod.yaml has a placeholder that nothing fills: {{IMAGE}}");
    }

    #[test]
    fn other_peoples_braces_are_left_alone() {
        let text = "{{ .PodSubnet }} {{name}} {{}}";
        assert_eq!(render("text", text, &[]).unwrap(), text);
    }
}
