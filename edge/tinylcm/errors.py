"""What can go wrong on a device, as one tree."""


class TinyLcmError(Exception):
    """Root of every error that TinyLCM raises on purpose."""


class SettingsError(TinyLcmError):
    """The configuration is wrong; the message lists every fault."""


class InputError(TinyLcmError):
    """A frame, vector or label is not what the model takes; the message names field and expectation."""


class StateError(TinyLcmError):
    """Stored state is damaged, of an unknown version, or belongs to another model."""


class BundleError(TinyLcmError):
    """A model bundle is malformed, not signed by a trusted key, or not meant for this device."""


class StorageFullError(TinyLcmError):
    """Nothing more can be stored within the stated bounds."""
