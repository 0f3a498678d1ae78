//! `infra/template.yaml` as data: what is deployed, for documents and tests to be compared with.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::stack::Failure;

/// The SAM template, its short forms (`!Ref`, `!Sub`, …) written out.
#[derive(Debug, Clone)]
pub struct Template(Value);

/// A function in the template.
#[derive(Debug, Clone)]
pub struct Function {
    /// The resource's name.
    pub resource: String,
    /// The function's name: that of its binary.
    pub name: String,
    /// Its properties, those of `Globals` among them.
    pub properties: Value,
}

impl Template {
    /// The template of the project in `folder`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(folder: &Path) -> Result<Self, Failure> {
        Self::parse(&std::fs::read_to_string(folder.join("infra/template.yaml"))?)
    }

    /// The template of this project, as it was when this program was built.
    ///
    /// # Errors
    /// When it is no valid YAML.
    pub fn built_in() -> Result<Self, Failure> {
        Self::parse(include_str!("../../infra/template.yaml"))
    }

    fn parse(text: &str) -> Result<Self, Failure> {
        Ok(Self(written_out(serde_yaml_ng::from_str(text)?)?))
    }

    /// What is at a JSON pointer; null if nothing is.
    #[must_use]
    pub fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The resources of a type, by name.
    #[must_use]
    pub fn resources(&self, kind: &str) -> Vec<(&str, &Value)> {
        let all = self.at("/Resources").as_object();
        all.into_iter()
            .flatten()
            .filter(|(_, resource)| resource["Type"] == kind)
            .map(|(name, resource)| (name.as_str(), resource))
            .collect()
    }

    /// The functions, by name.
    #[must_use]
    pub fn functions(&self) -> Vec<Function> {
        let globals = self.at("/Globals/Function");
        let mut functions: Vec<Function> = self
            .resources("AWS::Serverless::Function")
            .into_iter()
            .map(|(name, resource)| Function {
                resource: name.to_owned(),
                name: resource["Metadata"]["BuildProperties"]["Binary"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
                properties: over(globals, &resource["Properties"]),
            })
            .collect();
        functions.sort_by(|one, other| one.name.cmp(&other.name));
        functions
    }

    /// The statements of a function's role.
    #[must_use]
    pub fn statements(&self, function: &Function) -> Vec<Value> {
        let role = function.properties["Role"]["Fn::GetAtt"].as_str();
        let role = role
            .and_then(|role| role.strip_suffix(".Arn"))
            .unwrap_or_default();
        let policies = self.at(&format!("/Resources/{role}/Properties/Policies"));
        policies
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|policy| policy["PolicyDocument"]["Statement"].as_array())
            .flatten()
            .cloned()
            .collect()
    }
}

impl Function {
    /// The names of its environment variables.
    #[must_use]
    pub fn variables(&self) -> Vec<String> {
        let variables = self.properties["Environment"]["Variables"].as_object();
        variables
            .into_iter()
            .flat_map(|variables| variables.keys().cloned())
            .collect()
    }
}

/// `own` over `defaults`, maps in depth.
fn over(defaults: &Value, own: &Value) -> Value {
    match (defaults, own) {
        (Value::Object(defaults), Value::Object(own)) => {
            let mut all = defaults.clone();
            for (key, value) in own {
                let value = all
                    .get(key)
                    .map_or_else(|| value.clone(), |default| over(default, value));
                all.insert(key.clone(), value);
            }
            Value::Object(all)
        }
        (defaults, Value::Null) => defaults.clone(),
        (_, own) => own.clone(),
    }
}

fn written_out(value: serde_yaml_ng::Value) -> Result<Value, Failure> {
    use serde_yaml_ng::Value as Yaml;
    Ok(match value {
        Yaml::Null => Value::Null,
        Yaml::Bool(flag) => json!(flag),
        Yaml::Number(number) => serde_json::to_value(number)?,
        Yaml::String(text) => json!(text),
        Yaml::Sequence(items) => items
            .into_iter()
            .map(written_out)
            .collect::<Result<Vec<_>, _>>()?
            .into(),
        Yaml::Mapping(mapping) => {
            let mut map = Map::new();
            for (key, value) in mapping {
                let key = key
                    .as_str()
                    .ok_or("a key in the template is not text")?
                    .to_owned();
                map.insert(key, written_out(value)?);
            }
            Value::Object(map)
        }
        Yaml::Tagged(tagged) => {
            let name = tagged.tag.to_string();
            let name = name.trim_start_matches('!');
            let long = if name == "Ref" || name == "Condition" {
                name.to_owned()
            } else {
                format!("Fn::{name}")
            };
            json!({ long: written_out(tagged.value)? })
        }
    })
}
