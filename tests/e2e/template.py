"""CloudFormation templates as their values: enough of the language for what deploy/cloudformation uses."""

import re

import yaml

PSEUDO = {"AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::AccountId": "000000000000"}
NO_VALUE = object()


class Loader(yaml.SafeLoader):
    pass


def short_form(loader, suffix, node):
    """!Sub and its like; !GetAtt A.B is a list."""
    construct = {
        yaml.ScalarNode: loader.construct_scalar,
        yaml.SequenceNode: lambda n: loader.construct_sequence(n, deep=True),
        yaml.MappingNode: lambda n: loader.construct_mapping(n, deep=True),
    }
    value = construct[type(node)](node)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix == "Ref" else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", short_form)


class Template:
    """`resources` by logical id, resolved: parameters put in, conditions decided. What only AWS knows is `Id` or
    `Id.Attribute`."""

    def __init__(self, path, values):
        document = yaml.load(path.read_text(), Loader)
        self.parameters = document["Parameters"]
        defaults = {name: each["Default"] for name, each in self.parameters.items() if "Default" in each}
        given = {name: value for name, value in values.items() if name in self.parameters}
        self.values = {**PSEUDO, **defaults, **given}
        self.conditions = document.get("Conditions", {})
        self.resources = self.resolve(document["Resources"])

    def of_type(self, kind):
        return {name: each["Properties"] for name, each in self.resources.items() if each["Type"] == kind}

    def resolve(self, part):
        if isinstance(part, list):
            return [value for value in map(self.resolve, part) if value is not NO_VALUE]
        if not isinstance(part, dict):
            return part
        if len(part) == 1:
            name, argument = next(iter(part.items()))
            if name == "Ref" or name.startswith("Fn::"):
                return self.call(name, argument)
        resolved = {name: self.resolve(value) for name, value in part.items()}
        return {name: value for name, value in resolved.items() if value is not NO_VALUE}

    def call(self, name, argument):
        if name == "Ref":
            return NO_VALUE if argument == "AWS::NoValue" else self.values.get(argument, argument)
        if name == "Fn::Sub":
            return re.sub(r"\$\{([\w:.]+)\}", lambda match: str(self.values.get(match[1], match[1])), argument)
        if name == "Fn::GetAtt":
            return ".".join(argument)
        if name == "Fn::If":
            condition, yes, no = argument
            return self.resolve(yes if self.resolve(self.conditions[condition]) else no)
        if name == "Fn::Equals":
            one, other = self.resolve(argument)
            return str(one) == str(other)
        if name == "Fn::And":
            return all(self.resolve(argument))
        if name == "Fn::Not":
            return not self.resolve(argument)[0]
        raise NotImplementedError(name)
