//! The plugin `template`: named statements with typed parameters.
//!
//! A template is written once by somebody who knows the database, and run by anybody. What a caller gives is bound or looked up in
//! the catalog; nothing of it becomes SQL. The host judges each statement as it judges any other.

mod bind;
mod builtin;
mod chart;
mod delete_template;
mod library;
mod list_templates;
mod parameter;
mod placeholder;
mod published;
mod reading;
mod requirement;
mod run_template;
mod save_template;
mod saved;
mod template;

tidegate_plugin::export! {
    tools: [
        list_templates::ListTemplates,
        run_template::RunTemplate,
        save_template::SaveTemplate,
        delete_template::DeleteTemplate,
    ] and published::Published,
    resources: [reading::TemplateResource],
    prompts: [reading::UseTemplate],
    completion: reading::complete,
}

#[cfg(test)]
mod tests;
