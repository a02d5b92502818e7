"""What layers do with packed rows: functions, no layers. Imports no layer; begin with `gaps.py`."""
