create table shelf (
    key text primary key check (key ~ '^[A-Za-z0-9_.-]{1,100}$'),
    value text not null
);
