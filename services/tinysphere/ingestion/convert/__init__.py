"""Messages of the contract to records of the domain and back."""
