"""The wire: servers, errors, paging and checks that every service shares."""
