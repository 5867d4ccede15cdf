//! mtr's output in all its forms.
