-- As the models of heat 2025.1 (heat.db.models) declare them, and those of 2024.1 and 2026.1 do, too; without foreign keys.

CREATE TABLE service (
    id VARCHAR(36) NOT NULL,
    engine_id VARCHAR(36) NOT NULL,
    host VARCHAR(255) NOT NULL,
    hostname VARCHAR(255) NOT NULL,
    `binary` VARCHAR(255) NOT NULL,
    topic VARCHAR(255) NOT NULL,
    report_interval INTEGER NOT NULL,
    created_at DATETIME,
    updated_at DATETIME,
    deleted_at DATETIME,
    PRIMARY KEY (id)
);

CREATE TABLE stack (
    id VARCHAR(36) NOT NULL,
    name VARCHAR(255),
    raw_template_id INTEGER NOT NULL,
    prev_raw_template_id INTEGER,
    username VARCHAR(256),
    tenant VARCHAR(256),
    user_creds_id INTEGER,
    owner_id VARCHAR(36),
    parent_resource_name VARCHAR(255),
    timeout INTEGER,
    disable_rollback BOOL NOT NULL,
    stack_user_project_id VARCHAR(64),
    backup BOOL,
    nested_depth INTEGER,
    convergence BOOL,
    current_traversal VARCHAR(36),
    current_deps LONGTEXT,
    updated_at DATETIME,
    created_at DATETIME,
    deleted_at DATETIME,
    action VARCHAR(255),
    status VARCHAR(255),
    status_reason TEXT,
    PRIMARY KEY (id)
);
