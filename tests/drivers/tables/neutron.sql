-- As the models of neutron 2025.1 (neutron.db.models.agent) declare them, and those of 2024.1 and 2026.1 do, too; without foreign keys.

CREATE TABLE agents (
    agent_type VARCHAR(255) NOT NULL,
    `binary` VARCHAR(255) NOT NULL,
    topic VARCHAR(255) NOT NULL,
    host VARCHAR(255) NOT NULL,
    availability_zone VARCHAR(255),
    admin_state_up BOOL NOT NULL DEFAULT true,
    created_at DATETIME NOT NULL,
    started_at DATETIME NOT NULL,
    heartbeat_timestamp DATETIME NOT NULL,
    description VARCHAR(255),
    configurations VARCHAR(4095) NOT NULL,
    resource_versions VARCHAR(8191),
    `load` INTEGER NOT NULL DEFAULT '0',
    resources_synced BOOL,
    id VARCHAR(36) NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT uniq_agents0agent_type0host UNIQUE (agent_type, host)
);
