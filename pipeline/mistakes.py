"""What is wrong with a settings file, in the words of whoever wrote it."""

from pydantic import ValidationError

_WORDS = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a table",
    "extra_forbidden": "there is no such setting",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt:.10g}",
    "greater_than_equal": "must be {ge:.10g} or more",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "less_than": "must be less than {lt:.10g}",
    "less_than_equal": "must be {le:.10g} or less",
    "list_type": "must be a list in square brackets",
    "literal_error": "must be {expected}",
    "missing": "is needed",
    "model_type": "must be a table",
    "path_type": "must be a path in quotes",
    "string_too_short": "must not be empty",
    "string_type": "must be text in quotes",
    "too_short": "must not be empty",
    "value_error": "{error}",
}
"""By pydantic's type of error, with what its context says; others stay as pydantic says them."""


_IN_ENVIRONMENT = {
    "dict_type": "JSON",
    "list_type": "JSON; a list of texts also separated by commas",
    "model_type": "JSON",
}
"""How what has a form of its own in the file is written there."""


def mistakes(error: ValidationError, *, environment: bool = False) -> str:
    """A line for each key that is wrong. Pydantic is not asked for values: they may be secret.

    Args:
        error: what pydantic found.
        environment: the values may be from there.
    """
    lines = []
    for each in error.errors(include_input=False, include_url=False):
        place = ".".join(map(str, each["loc"]))
        words = _WORDS.get(each["type"])
        said = each["msg"] if words is None else words.format_map(each.get("ctx", {}))
        if environment and each["type"] in _IN_ENVIRONMENT:
            said += f" (in the environment: {_IN_ENVIRONMENT[each['type']]})"
        lines.append(": ".join(filter(None, (place, said))))
    return "\n".join(lines)
