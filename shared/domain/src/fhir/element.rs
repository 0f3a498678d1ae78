//! Elements of a resource: read strictly by type, each with its place as FHIRPath. What nobody reads may be anything.

use std::str::FromStr;

use serde_json::Value;

use crate::code::{At, Code, Refusal};

/// An element and its place.
#[derive(Clone)]
pub(super) struct Element<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Element<'a> {
    /// The element at `path`.
    pub(super) fn new(value: &'a Value, path: impl Into<String>) -> Self {
        Self {
            value,
            path: path.into(),
        }
    }

    /// Its place.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// What stands there.
    pub(super) const fn value(&self) -> &'a Value {
        self.value
    }

    /// A refusal of this element.
    pub(super) fn refused(&self, code: Code, detail: &'static str) -> Refusal {
        Refusal::new(code, detail).at(self.path.as_str())
    }

    /// A refusal for want of the child `name`.
    pub(super) fn lacks(&self, name: &str) -> Refusal {
        Refusal::from(Code::ElementMissing).at(format!("{}.{name}", self.path))
    }

    /// The child `name`, of whatever type.
    pub(super) fn get(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Self::new(value, format!("{}.{name}", self.path)))
    }

    /// The child `name`, which has children itself.
    pub(super) fn complex(&self, name: &str) -> Result<Option<Self>, Refusal> {
        self.get(name).map(Self::with_children).transpose()
    }

    /// The children `name`, which have children themselves.
    pub(super) fn complexes(&self, name: &str) -> Result<Vec<Self>, Refusal> {
        self.list(name)?.into_iter().map(Self::with_children).collect()
    }

    /// The children `name`. Those of a primitive type may be `null` where only something beside them is told.
    pub(super) fn list(&self, name: &str) -> Result<Vec<Self>, Refusal> {
        let Some(list) = self.get(name) else {
            return Ok(Vec::new());
        };
        let items = list.value.as_array();
        let items = items.ok_or_else(|| list.refused(Code::FieldsInvalid, "must be an array"))?;
        let item = |(at, value)| Self::new(value, format!("{}[{at}]", list.path));
        let told = items.iter().enumerate().filter(|(_, value)| !value.is_null());
        Ok(told.map(item).collect())
    }

    fn with_children(self) -> Result<Self, Refusal> {
        if self.value.is_object() {
            return Ok(self);
        }
        Err(self.refused(Code::FieldsInvalid, "must be an object"))
    }

    /// Its text.
    pub(super) fn text(&self) -> Result<&'a str, Refusal> {
        let text = self.value.as_str().map(str::trim);
        text.filter(|text| !text.is_empty())
            .ok_or_else(|| self.refused(Code::FieldsInvalid, "must be a string that is not empty"))
    }

    /// The text of the child `name`.
    pub(super) fn text_of(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        self.get(name).map(|child| child.text()).transpose()
    }

    /// What the text of the child `name` says.
    pub(super) fn read<T: FromStr<Err = Refusal>>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let Some(child) = self.get(name) else {
            return Ok(None);
        };
        child.text()?.parse().at(&child.path).map(Some)
    }

    /// Whether the child `name` is true.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        let told = |child: Self| {
            let flag = child.value.as_bool();
            flag.ok_or_else(|| child.refused(Code::FieldsInvalid, "must be true or false"))
        };
        self.get(name).map(told).transpose()
    }

    /// The child `name`, a whole number from 1 on.
    pub(super) fn count(&self, name: &str) -> Result<Option<u32>, Refusal> {
        let told = |child: Self| {
            let count = child.value.as_u64().and_then(|count| u32::try_from(count).ok());
            count
                .filter(|count| *count > 0)
                .ok_or_else(|| child.refused(Code::FieldsInvalid, "must be a whole number from 1 on"))
        };
        self.get(name).map(told).transpose()
    }

    /// The value of the extension with this URL, under the name of one of these types.
    pub(super) fn extension(&self, url: &str, types: &[&str]) -> Result<Option<Self>, Refusal> {
        for extension in self.complexes("extension")? {
            if extension.text_of("url")? == Some(url) {
                return Ok(types.iter().find_map(|name| extension.get(name)));
            }
        }
        Ok(None)
    }

    /// Refuses a resource that can only be read by rules of its own.
    pub(super) fn unread_rules(&self) -> Result<(), Refusal> {
        match self.get("implicitRules") {
            Some(rules) => Err(Refusal::from(Code::ModifierUnknown).at(rules.path)),
            None => Ok(()),
        }
    }

    /// Refuses an element that is not what its other elements say: whoever does not know a modifier may not pass it over.
    pub(super) fn unmodified(&self) -> Result<(), Refusal> {
        if let Some(modifier) = self.get("modifierExtension")
            && modifier.value != &Value::Array(Vec::new())
        {
            return Err(Refusal::from(Code::ModifierUnknown).at(modifier.path));
        }
        match self.value {
            Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
                // What nobody knows may have any name, even one that is told to nobody.
                let is_name = name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
                let path = if is_name {
                    format!("{}.{name}", self.path)
                } else {
                    self.path.clone()
                };
                Self::new(value, path).unmodified()
            }),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .try_for_each(|(at, value)| Self::new(value, format!("{}[{at}]", self.path)).unmodified()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place(refusal: &Refusal) -> (Code, String) {
        (refusal.code, refusal.errors[0].pointer.clone())
    }

    #[test]
    fn an_element_is_of_its_type_or_refused_at_its_place() {
        let value =
            json!({ "a": "x", "b": [{ "c": true }, null, { "c": 1 }], "n": 0, "empty": " ", "null": null });
        let root = Element::new(&value, "Patient");
        assert_eq!(root.text_of("a").unwrap(), Some("x"));
        assert_eq!(root.text_of("null").unwrap(), None);
        assert_eq!(root.text_of("none").unwrap(), None);
        let items = root.complexes("b").unwrap();
        assert_eq!(items[0].flag("c").unwrap(), Some(true));
        assert_eq!(items[1].path(), "Patient.b[2]");

        let invalid = |path: &str| (Code::FieldsInvalid, path.to_owned());
        assert_eq!(place(&items[1].flag("c").unwrap_err()), invalid("Patient.b[2].c"));
        assert_eq!(place(&root.list("a").err().unwrap()), invalid("Patient.a"));
        assert_eq!(place(&root.complex("a").err().unwrap()), invalid("Patient.a"));
        assert_eq!(place(&root.text_of("b").unwrap_err()), invalid("Patient.b"));
        assert_eq!(
            place(&root.text_of("empty").unwrap_err()),
            invalid("Patient.empty")
        );
        assert_eq!(place(&root.count("n").unwrap_err()), invalid("Patient.n"));
        assert_eq!(
            place(&root.lacks("name")),
            (Code::ElementMissing, "Patient.name".into())
        );
    }

    #[test]
    fn a_modifier_is_found_wherever_it_is() {
        let check = |value: Value| {
            Element::new(&value, "Patient")
                .unmodified()
                .map_err(|refusal| place(&refusal))
        };
        assert_eq!(
            check(json!({ "extension": [{ "url": "x" }], "whatever": 1 })),
            Ok(())
        );
        assert_eq!(check(json!({ "modifierExtension": [] })), Ok(()));
        let modifier = json!([{ "url": "urn:x", "valueBoolean": true }]);
        let refused = |path: &str| Err((Code::ModifierUnknown, path.to_owned()));
        assert_eq!(
            check(json!({ "modifierExtension": modifier.clone() })),
            refused("Patient.modifierExtension")
        );
        assert_eq!(
            check(json!({ "contact": [{}, { "modifierExtension": modifier }] })),
            refused("Patient.contact[1].modifierExtension")
        );
    }
}
