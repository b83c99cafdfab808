"""Damaged copies of the VRRP state machine, made from its syntax tree: each differs from the product in one place.

A mutant shares the product's classes and imports; only its functions are compiled anew, so rows built from the
product's states can be compared with what a mutant returns.
"""

import ast
import copy
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

OTHER_COMPARISON: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.GtE: ast.Gt,
    ast.Gt: ast.GtE,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
OTHER_OPERATOR: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}


def mutants(module: ModuleType) -> Iterator[tuple[str, dict[str, Any]]]:
    """(what was damaged, the globals of the damaged copy) for every place of every function of the module."""
    tree = ast.parse(inspect.getsource(module))
    functions = ast.Module([each for each in tree.body if isinstance(each, ast.FunctionDef)], type_ignores=[])
    for place, node in enumerate(ast.walk(functions)):
        for number, what in enumerate(damages(node)):
            damaged = copy.deepcopy(functions)
            twin = next(each for index, each in enumerate(ast.walk(damaged)) if index == place)
            apply(twin, number)
            names = dict(vars(module))
            exec(compile(ast.fix_missing_locations(damaged), f"<mutant: {what}>", "exec"), names)
            yield what, names


def damages(node: ast.AST) -> list[str]:
    """What `apply` can do to this node, in the order of its numbers."""
    at = f"line {getattr(node, 'lineno', 0)}"
    match node:
        case ast.Match():
            return [f"line {case.pattern.lineno}: delete case {heading(case)}" for case in node.cases] + [
                f"line {case.pattern.lineno}: drop the guard of case {heading(case)}"
                for case in node.cases
                if case.guard is not None
            ]
        case ast.List(elts=elements) if elements:
            dropped = [f"{at}: drop {ast.unparse(each)}" for each in elements]
            return dropped + ([f"{at}: reverse {ast.unparse(node)}"] if len(elements) > 1 else [])
        case ast.Compare(ops=[operator]) if type(operator) in OTHER_COMPARISON:
            return [f"{at}: other comparison in {ast.unparse(node)}"]
        case ast.BinOp(op=operator) if type(operator) in OTHER_OPERATOR:
            return [f"{at}: other operator in {ast.unparse(node)}"]
        case ast.BoolOp(values=values):
            return [f"{at}: and/or in {ast.unparse(node)}"] + [
                f"{at}: without {ast.unparse(each)} in {ast.unparse(node)}" for each in values
            ]
        case ast.UnaryOp(op=ast.Not()):
            return [f"{at}: without the not in {ast.unparse(node)}"]
        case ast.IfExp() | ast.If():
            return [f"{at}: the other branch always", f"{at}: the first branch always"]
        case ast.Constant(value=bool() | int() | float() as value):
            return [f"{at}: another constant than {value}"]
        case ast.Call(keywords=keywords) if keywords and isinstance(node.func, ast.Name) and node.func.id == "replace":
            return [f"{at}: keep {keyword.arg} in {ast.unparse(node)}" for keyword in keywords]
        case ast.Tuple(elts=elements, ctx=ast.Load()) if len(elements) > 1 and not isinstance(elements[1], ast.List):
            return [f"{at}: without {ast.unparse(each)} in {ast.unparse(node)}" for each in elements]
    return []


def apply(node: ast.AST, number: int) -> None:
    """Damage the node in place, as `damages(node)[number]` says."""
    match node:
        case ast.Match():
            if number < len(node.cases):
                del node.cases[number]
            else:
                [case for case in node.cases if case.guard is not None][number - len(node.cases)].guard = None
        case ast.List(elts=elements):
            if number < len(elements):
                del elements[number]
            else:
                elements.reverse()
        case ast.Compare():
            node.ops = [OTHER_COMPARISON[type(node.ops[0])]()]
        case ast.BinOp():
            node.op = OTHER_OPERATOR[type(node.op)]()
        case ast.BoolOp():
            if number == 0:
                node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            else:
                node.values[number - 1] = ast.Constant(isinstance(node.op, ast.And))  # the neutral value
        case ast.UnaryOp():
            node.operand = ast.UnaryOp(ast.Not(), node.operand)
        case ast.IfExp() | ast.If():
            node.test = ast.Constant(number == 1)
        case ast.Constant():
            value = node.value
            node.value = not value if isinstance(value, bool) else value + 1  # type: ignore[operator]
        case ast.Call():
            del node.keywords[number]
        case ast.Tuple():
            del node.elts[number]


def heading(case: ast.match_case) -> str:
    guard = f" if {ast.unparse(case.guard)}" if case.guard is not None else ""
    return ast.unparse(case.pattern) + guard
