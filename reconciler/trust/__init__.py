"""What a project file asks for that only a person may allow: decisions, and what a person allowed once.

A project file may come from anybody's branch, so it alone decides neither where a secret goes, nor what is
run or read outside of the project. docs/security.md says all of it.
"""
