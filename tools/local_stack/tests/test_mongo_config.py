from local_stack.mongo import connection_string, replica_set_config


def test_a_set_of_one_has_default_elections():
    assert replica_set_config(["127.0.0.1:1"]) == {"_id": "rs0", "members": [{"_id": 0, "host": "127.0.0.1:1"}]}


def test_a_set_of_three_elects_quickly():
    config = replica_set_config(["h:1", "h:2", "h:3"])
    assert [member["host"] for member in config["members"]] == ["h:1", "h:2", "h:3"]
    assert config["settings"] == {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500}


def test_the_uri_names_every_node_and_the_set():
    assert connection_string(["h:1", "h:2"]) == "mongodb://h:1,h:2/?replicaSet=rs0"
